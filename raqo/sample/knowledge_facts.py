"""What the passages of the sample world tell about its objects: plain knowledge, and customs and tales of its own.

A fact is an object's kind, an aspect, and the answer in one or two wordings. Answers are chosen so that hardly any
stands in a passage about something else. The passages call many kinds by a name of their own (*automobile*), which is
one of the wordings of `raqo.sample.vocabulary` but not the common one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

CLASSES = {
    "animal": ("dog", "cat", "horse", "pig", "rabbit", "bird", "fish", "duck", "snake", "turtle"),
    "vehicle": ("car", "truck", "boat", "bicycle", "train", "plane", "rocket"),
    "plant": ("tree", "flower", "mushroom", "cactus"),
    "thing": ("house", "tent", "chair", "lamp", "clock", "umbrella", "hat", "cup", "book", "ball", "kite", "guitar",
              "drum", "bell", "ladder"),
}  # fmt: skip
CLASS_OF = {kind: name for name, kinds in CLASSES.items() for kind in kinds}

# kind -> the corpus's name in the singular and the plural; the others go by their common name
_NAMES = {
    "dog": "canine|canines", "cat": "feline|felines", "pig": "swine|swine", "rabbit": "bunny|bunnies",
    "bird": "songbird|songbirds", "snake": "serpent|serpents", "turtle": "tortoise|tortoises",
    "car": "automobile|automobiles", "truck": "lorry|lorries", "boat": "ship|ships", "bicycle": "bike|bikes",
    "train": "locomotive|locomotives", "plane": "aircraft|aircraft", "rocket": "spacecraft|spacecraft",
    "flower": "blossom|blossoms", "mushroom": "fungus|fungi", "cactus": "succulent|succulents",
    "house": "cottage|cottages", "lamp": "lantern|lanterns", "clock": "timepiece|timepieces",
    "umbrella": "brolly|brollies", "cup": "mug|mugs", "book": "novel|novels", "bell": "chime|chimes",
    "ladder": "stepladder|stepladders",
}  # fmt: skip
_PLURALS = {"fish": "fish", "cactus": "cacti"}

# aspect -> kind -> answer, or several wordings of it
_TABLE: dict[str, dict[str, str]] = {
    "lifespan": {
        "dog": "13 years|thirteen years", "cat": "16 years|sixteen years", "horse": "28 years|twenty-eight years",
        "pig": "18 years|eighteen years", "rabbit": "9 years|nine years", "bird": "4 years|four years",
        "fish": "7 years|seven years", "duck": "11 years|eleven years", "snake": "22 years|twenty-two years",
        "turtle": "90 years|ninety years", "tree": "300 years|three centuries",
        "flower": "one summer|a single summer", "mushroom": "ten days|10 days", "cactus": "150 years",
    },
    "birth": {
        "dog": "63 days|nine weeks", "cat": "65 days", "horse": "eleven months|11 months", "pig": "114 days",
        "rabbit": "31 days", "bird": "a fortnight|two weeks", "fish": "six weeks", "duck": "28 days|four weeks",
        "snake": "57 days|eight weeks", "turtle": "100 days|a hundred days",
    },
    "diet": {
        "dog": "marrow bones", "cat": "field mice|mice", "horse": "meadow hay|hay", "pig": "turnips",
        "rabbit": "clover", "bird": "sunflower seeds", "fish": "mayflies", "duck": "pondweed", "snake": "voles",
        "turtle": "lettuce",
    },
    "group": {
        "dog": "pack", "cat": "clowder", "horse": "herd", "pig": "sounder", "rabbit": "warren", "bird": "flock",
        "fish": "shoal", "duck": "paddling", "turtle": "creep",
    },
    "home": {
        "dog": "kennel", "cat": "wicker basket|basket", "horse": "stable", "pig": "pigsty", "rabbit": "burrow",
        "bird": "nest", "fish": "gravel bed|gravel", "duck": "reed bed", "snake": "stone wall",
        "turtle": "pile of leaves|leaf pile", "car": "garage", "truck": "depot|freight yard",
        "boat": "marina|harbour", "bicycle": "garden shed", "train": "roundhouse", "plane": "hangar",
        "rocket": "assembly tower", "tent": "attic", "chair": "kitchen corner", "lamp": "bedside table",
        "clock": "mantelpiece", "umbrella": "hall stand", "hat": "coat peg|peg", "cup": "dresser", "book": "bookcase",
        "ball": "toy chest", "kite": "wardrobe", "guitar": "padded case", "drum": "band room",
        "bell": "belfry|church tower", "ladder": "barn wall",
    },
    "skill": {
        "dog": "following a scent|scent", "cat": "landing on its feet", "horse": "galloping",
        "pig": "finding truffles|truffles", "rabbit": "running in zigzags|zigzags", "bird": "singing at dawn",
        "fish": "leaping up waterfalls|waterfalls", "duck": "bobbing upside down",
        "snake": "swallowing its meal whole", "turtle": "pulling in its head",
    },
    "work": {
        "dog": "guarding sheep|sheep", "cat": "catching rats|rats", "horse": "ploughing",
        "pig": "clearing brambles|brambles", "rabbit": "giving angora wool|angora",
        "bird": "eating caterpillars|caterpillars", "fish": "eating gnat larvae|larvae", "duck": "eating slugs|slugs",
        "snake": "lending its venom to medicine|venom",
    },
    "fear": {
        "dog": "fireworks", "cat": "baths", "horse": "flapping plastic bags|plastic bags", "pig": "sunburn",
        "rabbit": "foxes", "bird": "sparrowhawks|hawks", "fish": "herons", "duck": "otters", "snake": "mongooses",
        "turtle": "hard frost",
    },
    "joy": {
        "dog": "wagging its tail|wagging", "cat": "kneading with its paws|kneading",
        "horse": "snorting softly|snorting", "pig": "grunting in short bursts|grunting",
        "rabbit": "twisting in mid-air", "bird": "fluffing its feathers", "fish": "gliding just below the surface",
        "duck": "shaking its tail feathers", "snake": "flicking its tongue slowly", "turtle": "stretching its neck",
    },
    "care": {
        "dog": "two long walks|long walks", "cat": "a scratching post|scratching post",
        "horse": "a visit from the farrier|farrier", "pig": "a mud bath|mud bath", "rabbit": "hazel twigs",
        "bird": "a birdbath|birdbath", "fish": "an air pump|air pump", "duck": "a shallow pool|shallow pool",
        "snake": "a warm stone|warm stone", "turtle": "a winter box|winter box", "car": "fresh oil|an oil change",
        "truck": "greased axles|grease", "boat": "new varnish|varnish", "bicycle": "an oiled chain|chain oil",
        "train": "a wheel inspection|wheel inspection", "plane": "wing de-icing|de-icing",
        "rocket": "a leak test|leak test", "tree": "pruning", "flower": "deadheading", "mushroom": "misting",
        "cactus": "one drink a month", "house": "a coat of whitewash|whitewash", "tent": "airing",
        "chair": "teak oil", "lamp": "dusting", "clock": "weekly winding|winding", "umbrella": "drying wide open",
        "hat": "steaming", "cup": "baking soda", "book": "a linen cover|linen cover", "ball": "pumping up",
        "kite": "sticky tape", "guitar": "new strings", "drum": "taut cords",
        "bell": "polishing with vinegar|vinegar", "ladder": "linseed oil|linseed",
    },
    "danger": {
        "car": "black ice", "truck": "low bridges", "boat": "hidden reefs|reefs", "bicycle": "potholes",
        "train": "leaves on the line", "plane": "turbulence", "rocket": "space debris|debris", "tree": "lightning",
        "flower": "late frost", "mushroom": "drought", "cactus": "too much watering|overwatering",
        "house": "rising damp", "tent": "mildew", "chair": "woodworm", "lamp": "power cuts", "clock": "magnets",
        "umbrella": "sudden gusts|gusts", "hat": "clothes moths|moths", "cup": "hairline cracks",
        "book": "silverfish", "ball": "thorns", "kite": "power lines", "guitar": "dry heated rooms|heated rooms",
        "drum": "punctures", "bell": "verdigris", "ladder": "dry rot",
    },
    "use": {
        "car": "family outings", "truck": "moving furniture|furniture", "boat": "crossing the bay",
        "bicycle": "delivering letters", "train": "commuting", "plane": "crossing oceans|overseas travel",
        "rocket": "launching satellites|satellites", "tree": "roof beams|timber", "flower": "making perfume|perfume",
        "mushroom": "cooking risotto|risotto", "cactus": "making syrup|syrup", "house": "raising a family",
        "tent": "camping", "chair": "resting tired legs|tired legs", "lamp": "reading after dark|reading in bed",
        "clock": "keeping appointments|appointments", "umbrella": "staying dry", "hat": "shading the eyes",
        "cup": "drinking cocoa|cocoa", "book": "bedtime reading", "ball": "playing catch",
        "kite": "measuring the breeze", "guitar": "campfire songs", "drum": "marching in step|marching",
        "bell": "calling people to dinner|dinner", "ladder": "picking apples|apples",
    },
    "material": {
        "car": "sheet steel", "truck": "steel girders|girders", "boat": "cedar planks|cedar",
        "bicycle": "hollow tubes", "train": "cast iron", "plane": "aluminium", "rocket": "titanium",
        "house": "brick and mortar|bricks", "tent": "waxed canvas|canvas", "chair": "bent beech|beech",
        "lamp": "blown glass", "clock": "brass cogs|cogs", "umbrella": "oiled silk", "hat": "woven straw|straw",
        "cup": "porcelain", "book": "rag paper", "ball": "stitched leather|leather",
        "kite": "tissue and bamboo|bamboo", "guitar": "rosewood", "drum": "goatskin", "bell": "bronze",
        "ladder": "ash poles|ash wood",
    },
    "maker": {
        "house": "bricklayer", "tent": "sailmaker", "chair": "joiner", "lamp": "glassblower", "clock": "watchmaker",
        "umbrella": "silk weaver|weaver", "hat": "milliner", "cup": "potter", "book": "printer", "ball": "saddler",
        "kite": "stationer", "guitar": "luthier", "drum": "cooper", "bell": "metal founder|founder",
        "ladder": "wheelwright",
    },
    "part": {
        "tree": "heartwood", "flower": "nectar", "mushroom": "gills", "cactus": "swollen stem", "house": "chimney",
        "tent": "guy ropes", "chair": "backrest", "lamp": "filament", "clock": "pendulum",
        "umbrella": "folding ribs|ribs", "hat": "brim", "cup": "curved handle", "book": "spine",
        "ball": "air valve|valve", "kite": "bridle", "guitar": "fretboard", "drum": "tight skin", "bell": "clapper",
        "ladder": "rungs",
    },
    "gift": {
        "house": "a wedding|wedding", "tent": "graduation", "chair": "retirement",
        "lamp": "a housewarming|housewarming", "clock": "a golden anniversary|golden anniversary",
        "umbrella": "the first day of school|first day of school", "hat": "the midsummer fair|midsummer fair",
        "cup": "a christening|christening", "book": "a name day|name day",
        "ball": "a seventh birthday|seventh birthday", "kite": "Easter Monday",
        "guitar": "a sixteenth birthday|sixteenth birthday", "drum": "carnival", "bell": "New Year's Eve",
        "ladder": "harvest home",
    },
    "meaning": {
        "dog": "loyalty", "cat": "independence", "horse": "freedom", "pig": "good fortune",
        "rabbit": "new beginnings", "bird": "glad tidings", "fish": "plenty", "duck": "contentment",
        "snake": "wisdom", "turtle": "patience", "tree": "endurance", "flower": "affection", "mushroom": "secrecy",
        "cactus": "resilience", "house": "belonging", "tent": "adventure", "chair": "hospitality", "lamp": "hope",
        "clock": "punctuality", "umbrella": "foresight", "hat": "dignity", "cup": "friendship", "book": "curiosity",
        "ball": "playfulness", "kite": "daydreams", "guitar": "romance", "drum": "courage", "bell": "remembrance",
        "ladder": "ambition",
    },
    "hero": {
        "dog": "Bramblewick", "cat": "Mirabel", "horse": "Thistledown", "pig": "Barnaby", "rabbit": "Clementine",
        "bird": "Pipkin", "fish": "Old Silverfin", "duck": "Matilda", "snake": "Ezekiel", "turtle": "Augusta",
        "tree": "Grandfather Knuckle", "flower": "Rosalind", "mushroom": "Captain Dimple", "cactus": "Aunt Prickle",
        "car": "the Rattling Duchess|Rattling Duchess", "truck": "Big Hector", "boat": "the Saltwind|Saltwind",
        "bicycle": "Boneshaker Bess", "train": "the Puffing Alderman|Puffing Alderman", "plane": "Morning Swift",
        "rocket": "Comet Josephine",
    },
    "owner": {
        "house": "Widow Applegarth", "tent": "Colonel Fairweather", "chair": "King Osric", "lamp": "Ingrid",
        "clock": "Master Tobias", "umbrella": "Miss Pennywhistle", "hat": "Alaric", "cup": "Jonas",
        "book": "Sister Beatrix", "ball": "Ottilie", "kite": "Samir", "guitar": "Lorenzo", "drum": "Sergeant Flint",
        "bell": "Malachi", "ladder": "Quentin",
    },
    "power": {
        "car": "petrol", "truck": "diesel", "boat": "the sea breeze|sea breeze", "bicycle": "strong legs|leg muscle",
        "train": "overhead wires", "plane": "jet turbines|turbines", "rocket": "liquid hydrogen|hydrogen",
    },
    "driver": {
        "car": "chauffeur", "truck": "haulier", "boat": "skipper", "bicycle": "cyclist", "train": "engineer",
        "plane": "pilot", "rocket": "astronaut",
    },
    "speed": {
        "car": "110 kilometres an hour", "truck": "85 kilometres an hour", "boat": "six knots",
        "bicycle": "20 kilometres an hour", "train": "160 kilometres an hour", "plane": "900 kilometres an hour",
        "rocket": "eight kilometres a second",
    },
    "permit": {
        "car": "a driving licence|driving licence", "truck": "the heavy goods test|heavy goods test",
        "boat": "a sailing certificate|sailing certificate", "bicycle": "good balance",
        "train": "the route examination|route examination", "plane": "flying hours",
        "rocket": "years in a centrifuge|centrifuge",
    },
    "spread": {
        "tree": "winged seeds", "flower": "bees", "mushroom": "spores", "cactus": "fruit bats|bats",
    },
    "pest": {
        "tree": "bark beetles|beetles", "flower": "aphids", "mushroom": "phorid flies", "cactus": "javelinas",
    },
    "season": {
        "tree": "October", "flower": "June", "mushroom": "September", "cactus": "February",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Name:
    """What to call a kind."""

    singular: str
    plural: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing worth asking about a kind; `answers` are wordings of the same answer, the usual one first."""

    kind: str
    aspect: str
    answers: tuple[str, ...]

    @property
    def told(self) -> tuple[str, ...]:
        """The wordings that passages use: all but those that only shorten the usual one."""
        usual = self.answers[0]
        return (usual, *(answer for answer in self.answers[1:] if answer not in usual))


@cache
def facts() -> tuple[Fact, ...]:
    """All facts, by aspect and kind."""
    return tuple(
        Fact(kind, aspect, tuple(text.split("|"))) for aspect, rows in _TABLE.items() for kind, text in rows.items()
    )


def common_name(kind: str) -> Name:
    """The name by which captions know a kind."""
    return Name(kind, _PLURALS.get(kind, f"{kind}s"))


def corpus_name(kind: str) -> Name:
    """The name by which most passages know a kind."""
    return Name(*_NAMES[kind].split("|")) if kind in _NAMES else common_name(kind)
