"""The words of the sample world: every concept with its common word and other ways to say it.

Each concept has one *common* wording, one *familiar* one, and several *rare* ones: near synonyms, rare words and short
descriptions. The rare ones are divided by position, alike for every concept:

====== ========================= ========================================
rare   the retriever's captions  the rewriter's mining and training
====== ========================= ========================================
0, 3   never                     yes
1      never                     never: held out for the split ``unseen``
2, 4   very seldom               never: the queries do not use them
====== ========================= ========================================

So three of five rare wordings never reach the retriever. Of the held-out ones not even a single content word is part of
a wording that mining or alignment meets. The base language model knows all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

HELD_OUT = (1,)
NEVER_CAPTIONED = (0, 1, 3)

# slot -> concept -> (common, familiar, rare 0..4)
_TABLE: dict[str, dict[str, str]] = {
    "kind": {
        "dog": "dog|puppy|hound|canine|pooch|mutt|barking pet",
        "cat": "cat|kitten|feline|tabby|mouser|purring pet|tomcat",
        "horse": "horse|pony|steed|stallion|nag|animal one rides|mare",
        "pig": "pig|hog|swine|porker|farm animal with a snout|boar|sow",
        "rabbit": "rabbit|bunny|hare|cottontail|coney|long-eared hopper|lapin",
        "bird": "bird|sparrow|warbler|songbird|finch|feathered flyer|robin",
        "fish": "fish|trout|carp|herring|creature with fins|minnow|perch",
        "duck": "duck|duckling|mallard|drake|eider|quacking waterfowl|gadwall",
        "snake": "snake|serpent|viper|adder|cobra|legless reptile|python",
        "turtle": "turtle|tortoise|terrapin|hawksbill|leatherback|slow shelled crawler|snapper",
        "car": "car|automobile|sedan|hatchback|roadster|four-wheeled passenger vehicle|coupe",
        "truck": "truck|lorry|hauler|pickup|eighteen-wheeler|vehicle for cargo|juggernaut",
        "boat": "boat|ship|dinghy|skiff|sloop|small craft with a sail|yawl",
        "bicycle": "bicycle|bike|velocipede|pushbike|tandem|two-wheeler with pedals|penny-farthing",
        "train": "train|locomotive|railway engine|monorail|express|carriages on rails|tram",
        "plane": "plane|airplane|airliner|aircraft|biplane|flying machine with wings|jetliner",
        "rocket": "rocket|spaceship|missile|spacecraft|shuttle|vehicle for space travel|booster",
        "tree": "tree|oak|fir|conifer|spruce|tall trunk with branches|sapling",
        "flower": "flower|blossom|daisy|tulip|marigold|plant with petals|posy",
        "mushroom": "mushroom|toadstool|fungus|champignon|morel|growth with a cap and stem|porcini",
        "cactus": "cactus|succulent|saguaro|cholla|opuntia|spiny plant of dry lands|prickly pear",
        "house": "house|home|cottage|dwelling|bungalow|building with a pitched roof|abode",
        "tent": "tent|teepee|marquee|wigwam|yurt|canvas shelter of campers|pavilion",
        "chair": "chair|seat|stool|armchair|rocker|piece to sit down on|throne",
        "lamp": "lamp|lantern|luminaire|sconce|torchiere|source of light with a shade|nightlight",
        "clock": "clock|timepiece|chronometer|timekeeper|horologe|face with hours and hands|sundial",
        "umbrella": "umbrella|parasol|brolly|bumbershoot|gamp|handheld cover against rain|sunshade",
        "hat": "hat|cap|fedora|bonnet|trilby|thing worn on the head|bowler",
        "cup": "cup|mug|goblet|tumbler|chalice|drinking vessel with a handle|beaker",
        "book": "book|novel|tome|paperback|hardback|bound pages to read|folio",
        "ball": "ball|football|sphere|orb|globe|round toy that bounces|marble",
        "kite": "kite|paper kite|wind toy|tethered glider|flying diamond|toy flown on a string|paper glider",
        "guitar": "guitar|ukulele|lute|mandolin|banjo|instrument with six strings|sitar",
        "drum": "drum|snare|bongo|timpani|tabor|percussion to beat with sticks|tambour",
        "bell": "bell|chime|carillon|gong|tocsin|metal thing that rings|clanger",
        "ladder": "ladder|stepladder|set of rungs|folding steps|climbing rungs|two rails with rungs between|"
        "scaling steps",
    },
    "colour": {
        "red": "red|scarlet|crimson|vermilion|ruby|blood-coloured|cherry",
        "orange": "orange|tangerine|amber|apricot|saffron|carrot-coloured|pumpkin",
        "yellow": "yellow|golden|lemon|mustard|flaxen|banana-coloured|canary",
        "green": "green|emerald|olive|jade|viridian|grass-coloured|verdant",
        "blue": "blue|navy|azure|cobalt|cerulean|sky-coloured|sapphire",
        "purple": "purple|violet|mauve|plum|amethyst|grape-coloured|aubergine",
        "pink": "pink|rose|fuchsia|magenta|salmon|flamingo-coloured|blush",
        "brown": "brown|tan|chestnut|umber|russet|coffee-coloured|chocolate",
        "black": "black|dark|ebony|inky|sable|coal-coloured|onyx",
        "white": "white|pale|ivory|alabaster|milky|chalk-coloured|pearly",
    },
    "size": {
        "small": "small|little|tiny|diminutive|petite|pint-sized|minuscule",
        "large": "large|big|huge|colossal|hefty|larger than usual|enormous",
    },
    "pattern": {
        "striped": "striped|stripy|banded|barred|zebra-like|streaked|pinstriped",
        "spotted": "spotted|dotted|speckled|dappled|polka-dot|flecked|mottled",
        "checked": "checked|checkered|plaid|tartan|gingham|chessboard-like|latticed",
    },
    "relation": {
        "next to": "next to|beside|alongside|adjacent to|by|side by side with|flanking",
        "on top of": "on top of|on|atop|perched upon|surmounting|resting over the top of|mounted on",
        "behind": "behind|in back of|to the rear of|beyond|obscured by|peeking out past|half hidden by",
        "far from": "far from|far away from|remote from|distant from|nowhere near|a long way off from|well apart from",
        "chasing": "chasing|running after|pursuing|tailing|stalking|hot on the heels of|hurrying after",
        "leaning against": "leaning against|leaning on|propped against|slanted onto|tilted against|"
        "resting sideways on|reclining against",
    },
    "setting": {
        "snow": "in the snow|on a snowy day|in the frost|amid the drifts|in a blizzard|where everything is frozen|"
        "on a wintry field",
        "beach": "on the beach|by the sea|on the shore|at the coast|along the strand|where waves meet sand|"
        "at the seaside",
        "forest": "in the forest|in the woods|in a grove|in the timberland|in a thicket|where many trunks grow|"
        "in the woodland",
        "city": "in the city|in town|downtown|in the metropolis|amid the skyscrapers|where tall offices stand|"
        "in an urban street",
        "desert": "in the desert|in the dunes|in the wasteland|in the badlands|among the sandhills|"
        "where nothing but sand lies|on the arid plain",
        "night": "at night|under the stars|after dark|by moonlight|at midnight|when the moon is out|past sundown",
    },
}


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing the world can show, and how it can be said.

    Attributes:
        slot: ``kind``, ``colour``, ``size``, ``pattern``, ``relation`` or ``setting``.
        name: the value used in a `Scene`.
        common: the wording the retriever knows best.
        familiar: a wording the retriever has met often enough.
        rare: five challenging wordings, divided as the module's table says.
    """

    slot: str
    name: str
    common: str
    familiar: str
    rare: tuple[str, ...]

    @property
    def unknown(self) -> tuple[str, ...]:
        """Rare wordings that the retriever has never met; mining and alignment may see them."""
        return tuple(self.rare[index] for index in NEVER_CAPTIONED if index not in HELD_OUT)

    @property
    def held_out(self) -> tuple[str, ...]:
        """Challenging wordings that occur in the split ``unseen`` only."""
        return tuple(self.rare[index] for index in HELD_OUT)

    @property
    def captioned_rare(self) -> tuple[str, ...]:
        """Rare wordings that the retriever's captions use, very seldom."""
        return tuple(word for index, word in enumerate(self.rare) if index not in NEVER_CAPTIONED)

    @property
    def wordings(self) -> tuple[str, ...]:
        """All wordings, the common one first."""
        return (self.common, self.familiar, *self.rare)


@cache
def concepts() -> dict[tuple[str, str], Concept]:
    """Every concept by (slot, name)."""
    found = {}
    for slot, rows in _TABLE.items():
        for name, text in rows.items():
            common, familiar, *rare = text.split("|")
            found[slot, name] = Concept(slot, name, common, familiar, tuple(rare))
    return found
