"""YAML and dotted overrides into nested frozen dataclasses, and back. Knows no setting by name."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

import yaml

from raqo.errors import ConfigError, message, nearest

T = TypeVar("T")


class _Section(dict[str, Any]):
    """A YAML mapping that remembers where each of its keys was written."""

    def __init__(self, values: Mapping[str, Any], places: Mapping[str, str]) -> None:
        super().__init__(values)
        self.places = dict(places)


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Safe YAML that refuses a key given twice in one mapping."""


def _construct_section(loader: Any, node: Any) -> _Section:
    places: dict[str, str] = {}
    for key_node, _ in node.value:
        key = str(key_node.value)
        place = f"{loader.name}:{key_node.start_mark.line + 1}"
        if key in places and key != "<<":
            raise ConfigError(
                message(place, f"key {key!r} is given twice (first at {places[key]})", "keep one of them")
            )
        places[key] = place
    loader.flatten_mapping(node)
    return _Section(loader.construct_mapping(node, deep=True), places)


_Loader.add_constructor("tag:yaml.org,2002:map", _construct_section)


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Safe YAML that escapes line breaks other than ``\\n``; PyYAML writes them bare and then reads a blank."""


def _represent_text(dumper: Any, text: str) -> Any:
    style = '"' if any(letter in text for letter in "\r\x85\u2028\u2029\ufeff") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def load(cls: type[T], source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> T:
    """Build a nested frozen dataclass from YAML, with dotted overrides on top.

    Converted where the meaning is plain: int to float, numeric text (YAML reads ``1e-4`` as text) to a number, lists to
    tuples, text to `Path`, enums and `Literal`; nothing else is guessed.

    Args:
        cls: the dataclass to build; its fields may be dataclasses themselves.
        source: path of a YAML file, or a mapping.
        overrides: ``a.b.c=value`` each, the value in YAML; later ones win.

    Raises:
        ConfigError: unknown key (with the nearest valid name), key given twice, wrong type, missing value or file.
    """
    values = _as_section(source, "config") if isinstance(source, Mapping) else _read(Path(source))
    for override in overrides:
        _apply(values, override)
    return typing.cast(T, _build(cls, values, "", "config" if isinstance(source, Mapping) else str(source)))


def dump(config: Any) -> str:
    """Write a configuration as YAML; `load` of the result gives an equal configuration."""
    return str(yaml.dump(_plain(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))


def _read(path: Path) -> _Section:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(message(str(path), f"cannot be read ({error})", "give the path of a YAML file")) from error
    return _as_section(_parse(text, str(path)) or {}, str(path))


def _parse(text: str, name: str) -> Any:
    loader = _Loader(text)
    loader.name = name
    try:
        return loader.get_single_data()
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = name if line is None else f"{name}:{line + 1}"
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(message(where, f"not valid YAML ({problem})", "correct the syntax")) from error
    finally:
        loader.dispose()


def _as_section(value: Any, where: str) -> _Section:
    """Copy a mapping (so that overrides never change the caller's) and keep what is known about places."""
    if not isinstance(value, Mapping):
        raise ConfigError(
            message(where, f"expected a mapping of settings, got {_show(value)}", "write 'name: value' lines")
        )
    places = value.places if isinstance(value, _Section) else {}
    copied = {key: _as_section(item, where) if isinstance(item, Mapping) else item for key, item in value.items()}
    return _Section(copied, places)


def _apply(values: _Section, override: str) -> None:
    path, equals, text = override.partition("=")
    names = path.strip().split(".")
    where = f"override {override!r}"
    if not equals or not all(names):
        raise ConfigError(message(where, "expected name.of.setting=value", "write for example training.seed=1"))
    section = values
    for name in names[:-1]:
        if not isinstance(section.get(name), _Section):
            section[name] = _Section({}, {})
            section.places[name] = where
        section = section[name]
    value = _parse(text, where)
    section[names[-1]] = _as_section(value, where) if isinstance(value, Mapping) else value
    section.places[names[-1]] = where


def _build(cls: type[Any], values: Any, path: str, where: str) -> Any:
    at = f"{where} {path}".rstrip()
    if isinstance(values, cls):
        return values
    section = _as_section(values, at)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    for key in section:
        if key not in fields:
            place = f"{section.places.get(key, where)} {_join(path, key)}"
            raise ConfigError(
                message(place, f"unknown key{nearest(str(key), fields)}", f"use one of: {', '.join(fields)}")
            )
    missing = [name for name, field in fields.items() if name not in section and _required(field)]
    if missing:
        raise ConfigError(message(at, f"missing {', '.join(_join(path, name) for name in missing)}", "give a value"))
    hints = typing.get_type_hints(cls)
    arguments = {
        key: _convert(_completed(value, fields[key]), hints[key], _join(path, key), section.places.get(key, where))
        for key, value in section.items()
    }
    try:
        return cls(**arguments)
    except ValueError as error:
        raise ConfigError(f"{at}: {error}") from error


def _completed(value: Any, field: dataclasses.Field[Any]) -> Any:
    """A section with what it leaves out taken from the field's own default, where that is not the class's."""
    factory = field.default_factory
    if not isinstance(value, Mapping) or factory is dataclasses.MISSING or isinstance(factory, type):
        return value
    default = factory()
    if not dataclasses.is_dataclass(default):
        return value
    section = _as_section(value, field.name)
    left_out = {one.name: getattr(default, one.name) for one in dataclasses.fields(default) if one.init}
    return _Section({**left_out, **section}, section.places)


def _convert(value: Any, kind: Any, path: str, where: str) -> Any:
    """Convert one value to its annotated type, or say what was expected where."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or kind is object:
        return value
    if origin in (Union, types.UnionType):
        return _convert_union(value, args, path, where)
    if origin is Literal:
        if any(value == allowed and type(value) is type(allowed) for allowed in args):
            return value
        raise _wrong(value, " or ".join(map(repr, args)) + _hint(value, args), path, where)
    if origin is not None:
        return _convert_container(value, origin, args, path, where)
    if dataclasses.is_dataclass(kind):
        return _build(typing.cast("type[Any]", kind), value, path, where)
    return _convert_scalar(value, kind, path, where)


def _convert_union(value: Any, kinds: tuple[Any, ...], path: str, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    arms = [kind for kind in kinds if kind is not type(None)]
    if len(arms) > 1 and type(value) in arms:
        return value
    errors = []
    for arm in arms:
        try:
            return _convert(value, arm, path, where)
        except ConfigError as error:
            errors.append(error)
    raise max(errors, key=lambda error: len(str(error)))


def _convert_container(value: Any, origin: Any, args: tuple[Any, ...], path: str, where: str) -> Any:
    if issubclass(origin, Mapping):
        section = _as_section(value, f"{where} {path}")
        return {
            _convert(key, args[0], path, where): _convert(
                item, args[1], _join(path, key), section.places.get(key, where)
            )
            for key, item in section.items()
        }
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _wrong(value, "a list", path, where)
    if origin is tuple and args[-1] is not Ellipsis:
        if len(value) != len(args):
            raise _wrong(value, f"a list of {len(args)} values", path, where)
        kinds: Sequence[Any] = args
    else:
        kinds = [args[0]] * len(value)
    pairs = enumerate(zip(value, kinds, strict=True))
    items = [_convert(item, kind, f"{path}[{index}]", where) for index, (item, kind) in pairs]
    return items if origin is list else tuple(items)


def _convert_scalar(value: Any, kind: Any, path: str, where: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(value)
        except ValueError:
            values = [member.value for member in kind]
            raise _wrong(value, " or ".join(map(repr, values)) + _hint(value, values), path, where) from None
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    if kind in (int, float) and not isinstance(value, bool):
        return _number(value, kind, path, where)
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    hint = " (in quotes)" if kind is str and isinstance(value, int | float) else ""
    raise _wrong(value, _NAMES.get(kind, kind.__name__) + hint, path, where)


def _number(value: Any, kind: type[int] | type[float], path: str, where: str) -> int | float:
    """Whole numbers stay exact; ``1e3`` is one, too."""
    if isinstance(value, int) and kind is int:
        return value
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise _wrong(value, _NAMES[kind], path, where) from None
    if math.isnan(number) or (kind is int and not number.is_integer()):
        raise _wrong(value, _NAMES[kind], path, where)
    return int(number) if kind is int else number


_NAMES: dict[Any, str] = {int: "a whole number", float: "a number", str: "text", bool: "true or false", Path: "a path"}


def _wrong(value: Any, expected: str, path: str, where: str) -> ConfigError:
    return ConfigError(message(f"{where} {path}", f"expected {expected}, got {_show(value)}", "correct the value"))


def _show(value: Any) -> str:
    text = repr(dict(value) if isinstance(value, _Section) else value)
    return text if len(text) <= 60 else text[:57] + "..."


def _hint(value: Any, allowed: Sequence[Any]) -> str:
    close = difflib.get_close_matches(str(value), [str(item) for item in allowed], n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _plain(value: Any) -> Any:
    """Reduce to what YAML writes without tags."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
