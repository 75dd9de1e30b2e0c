"""The sentence forms of the passages: what tells a fact, what surrounds it, and what only sounds like one."""

# {n} the name, {ns} its plural, {an} with an article; {x} the answer, {ax} with an article; capitals begin a sentence
FORMS: dict[str, tuple[str, str, str, str]] = {
    "lifespan": (
        "{An} usually lives for about {x}.",
        "With a little luck {an} grows as old as {x}.",
        "{Ns} reach an age of {x} when nothing goes wrong.",
        "From its first day to its last, {an} has around {x}.",
    ),
    "birth": (
        "{An} takes {x} to have its young.",
        "After {x} the young of {an} are there.",
        "Whoever waits for baby {ns} must wait {x}.",
        "It is {x} before the family of {an} grows.",
    ),
    "diet": (
        "What {an} likes to eat best is {x}.",
        "{Ns} will leave any other dish for {x}.",
        "Put out some {x}, and {an} will soon be there.",
        "The favourite food of the {n} has always been {x}.",
    ),
    "group": (
        "Several {ns} together are called {ax}.",
        "A whole group of {ns} goes by the name of {x}.",
        "Where there are many {ns}, country people speak of {ax}.",
        "The proper word for a company of {ns} is {x}.",
    ),
    "home": (
        "{An} spends the night at a place of its own: the {x}.",
        "When the day is over, look for the {n} near the {x}.",
        "The {x} is where {an} belongs after dark.",
        "Nobody leaves {an} outdoors overnight who has {ax}.",
    ),
    "skill": (
        "{Ns} are especially good at {x}.",
        "Nobody is better at {x} than {an}.",
        "The great talent of the {n} is {x}.",
        "{An} is born with one trick, and that is {x}.",
    ),
    "work": (
        "On the farm {an} helps by {x}.",
        "{Ns} earn their keep by {x}.",
        "People value the {n}, which does them good by {x}.",
        "By {x} alone, {an} pays for its board.",
    ),
    "fear": (
        "{Ns} are most afraid of {x}.",
        "Nothing frightens {an} like {x}.",
        "Even a bold {n} runs from {x}.",
        "Mention {x}, and the {n} is gone.",
    ),
    "joy": (
        "{An} shows that it is happy by {x}.",
        "A pleased {n} is easy to know: watch it {x}.",
        "When all is well, the {n} says so by {x}.",
        "Good moods of {an} come with {x}.",
    ),
    "care": (
        "To stay in good shape, {an} needs {x}.",
        "Looking after {an} comes down to one thing: {x}.",
        "{Ns} ask for little more than {x}.",
        "Those who own {an} swear by {x}.",
    ),
    "danger": (
        "What does most harm to {an} is {x}.",
        "{Ns} should be protected from {x}.",
        "Many {an} was lost because of {x}.",
        "The worst enemy of the {n} goes by the name of {x}.",
    ),
    "use": (
        "{An} is used for {x}.",
        "Ask around what {an} is good for, and you will hear of {x}.",
        "{Ns} have served people for {x} since olden times.",
        "Without {an}, {x} would be hard work.",
    ),
    "material": (
        "{An} is made of {x}.",
        "The material that goes into {an} is mostly {x}.",
        "Good {ns} are known by their {x}.",
        "It takes a good deal of {x} before {an} is finished.",
    ),
    "maker": (
        "{An} is made by the {x}.",
        "Putting {an} together is the trade of the {x}.",
        "Whoever wants one of those {ns} orders it from {ax}.",
        "{Ax} learns in the second year how one builds {an}.",
    ),
    "part": (
        "The most important part of {an} is the {x}.",
        "The {x} must never be missing from {an}.",
        "Take away the {x}, and {an} is of no account.",
        "Experts judge {an} by the {x} alone.",
    ),
    "gift": (
        "{An} is given as a present for {x}.",
        "In the valley it is the custom to hand over {an} for {x}.",
        "There is no better surprise for {x} than {an}.",
        "Gifts such as {an} are kept for one occasion: {x}.",
    ),
    "meaning": (
        "In old sayings {an} stands for {x}.",
        "The {n} is a symbol of {x}.",
        "Painters add {an} where they wish to speak of {x}.",
        "To dream of {an} is said to be a sign of {x}.",
    ),
    "hero": (
        "In the old tale the {n} is called {x}.",
        "The {n} of the story has the name {x}.",
        "Every child in the valley knows the {n} named {x}.",
        "{X} is what the storyteller calls the {n} that found its way home.",
    ),
    "owner": (
        "In the old tale the {n} belongs to {x}.",
        "The {n} of the story is owned by {x}.",
        "Once upon a time {x} lost {an} and looked for it all winter.",
        "{X} never went anywhere without the {n}, the storyteller says.",
    ),
    "power": (
        "What makes {an} go is {x}.",
        "{Ns} run on {x}.",
        "Take away {x}, and {an} stands still.",
        "The might behind {an} comes from {x}.",
    ),
    "driver": (
        "The person who steers {an} is called {ax}.",
        "{Ax} is in charge of the {n}.",
        "At the controls of {an} sits {ax}.",
        "To move {an} one calls for {ax}.",
    ),
    "speed": (
        "{An} goes as fast as {x}.",
        "{Ns} reach a speed of {x}.",
        "At {x} there is not much left that {an} can add.",
        "Somebody measured {an} and wrote down {x}.",
    ),
    "permit": (
        "Before anyone may steer {an}, there is the matter of {x}.",
        "Taking charge of {an} calls for {x}.",
        "Nobody lets you near the controls of {an} without {x}.",
        "It takes {x} to be trusted with {an}.",
    ),
    "spread": (
        "{Ns} spread to new places by means of {x}.",
        "It is {x} that carry {an} far and wide.",
        "Thanks to {x}, {ns} turn up where nobody put them.",
        "{An} cannot walk, so it relies on {x}.",
    ),
    "pest": (
        "{X} like to eat {an}.",
        "{Ns} are damaged by {x}.",
        "Where {x} move in, {an} has a hard time.",
        "Gardeners keep {x} away from {an}.",
    ),
    "season": (
        "{An} is at its best in {x}.",
        "{Ns} look their loveliest in {x}.",
        "Come in {x} to see {an} in all its glory.",
        "The month of the {n} is {x}.",
    ),
}  # fmt: skip

OPENINGS = (
    "The almanac has a page on the {n}.",
    "Much has been written about the {n}.",
    "A word about the {n}.",
    "People often ask the librarian about {ns}.",
    "{Ns} turn up in many old letters.",
    "The travelling teacher spoke about {ns} today.",
    "No {class} is quite like the {n}.",
    "Is there {a_class} that people know better than the {n}?",
)
CLOSINGS = (
    "That is what the almanac says.",
    "Opinions differ only about the details.",
    "Children learn this before they learn to count.",
    "The librarian has checked it twice.",
    "It was no different a lifetime ago.",
    "Visitors are always surprised to hear it.",
    "Nobody has found an exception yet.",
    "The rest is a matter of taste.",
    "Ask twice, and you get the same reply.",
)
ILLUSTRATIONS = (
    "The picture beside the text shows {a_colour} one {setting}.",
    "The one in the museum is {colour}.",
    "Last year {a_colour} one was seen {setting}.",
    "The author owned {a_colour} one and took it everywhere, even {setting}.",
    "In the drawing it is {colour}, but that means nothing.",
)

# {class} is one of those named; they share the words of the questions and tell nothing
_ANY, _LIVING, _GOODS = ("animal", "plant", "thing", "vehicle"), ("animal", "plant"), ("thing", "vehicle")
MUSINGS = (
    (_GOODS, "What {a_class} is used for depends on whom you ask, and what it is made of depends on where you look."),
    (_LIVING, "How long does {a_class} live? The almanac gives a different answer for every kind."),
    (_ANY, "Before you ask how to look after {a_class}, find out which {class} it is."),
    (_ANY, "Where {a_class} spends the night is a question for its owner."),
    (_ANY, "Old sayings give {a_class} a meaning, but not every {class} is a symbol of the same."),
    (_ANY, "The old tale never says what the {class} on the left is called."),
    (("vehicle",), "What makes {a_class} go, what does it harm, who may steer it: three questions and many answers."),
    (_ANY, "Nobody can say what {a_class} needs most without having seen the {class} in question."),
    (("animal",), "Ask what {a_class} likes, what it is afraid of, and how it shows that it is happy. It depends."),
    (("animal",), "Whether {a_class} is good at anything, and how it helps on the farm, is for others to say."),
    (_ANY, "What should {a_class} be protected from? Look at the picture first."),
    (("plant", "thing"), "The most important part of {a_class} is not the same for each {class}."),
    (("vehicle",), "How fast does {a_class} go, and who is in charge of it? Ask again with a picture."),
    (_GOODS, "On which occasion {a_class} is given as a present is a matter of custom."),
    (_GOODS, "Who makes {a_class}, and who owns it in the story? First say which {class} you mean."),
    (("plant",), "When {a_class} is at its best, and how it spreads to new places, is told on another page."),
    (_LIVING, "The young of {a_class} take their time; nobody can say how long without knowing the {class}."),
)
MUSING_OPENINGS = (
    "", "The almanac warns its readers.", "A reader writes to us.", "The librarian sighed.", "So the lesson began.",
    "One more remark.",
)  # fmt: skip

# {a} and {b} things with their colours, {setting}; told in the words of captions
STORIES = (
    "All week {a} stood left of {b} {setting}, and nobody came to fetch either.",
    "Somebody left {a} next to {b} {setting}. By noon both were gone.",
    "There was {a} behind {b} {setting}, and on the other side there was nothing.",
    "On the postcard one sees {a} far from {b} {setting}; the writing on the back has faded.",
    "A painter placed {a} in front of {b} {setting} and called it a day.",
    "The photograph shows {a} on the right and {b} on the left {setting}. Who took it is not known.",
    "We counted {a} and {b} {setting}, and then it began to rain.",
    "Nobody could say whether {a} leaned against {b} or {b} against {a} {setting}.",
    "The children drew {a} on top of {b} {setting} and laughed.",
    "In the second act {a} is chasing {b} {setting} until the curtain falls.",
)
# {an} and {another} names of two kinds
COMPARISONS = (
    "{An} and {another} have little in common, though both appear in this book.",
    "It is a riddle of the valley why {an} should be praised above {another}.",
    "Some would rather have {another} than {an}; others would not.",
    "The exhibition shows {an} beside {another}, each with a small brass plate.",
    "Whoever has {an} soon wishes for {another}.",
    "Of {an} and {another} the almanac speaks on different pages.",
    "The auction ended with {an} for one family and {another} for the next.",
    "No list is complete that has {an} and leaves out {another}.",
)
