"""The words of the contrasts: for each kind a list for training, and another one for testing.

Words of one list exclude each other: what is made of oak is not made of brass, and Monday is not
Friday. No word of a list for testing stands in the list for training, but weekdays and months, of
which there are too few.
"""

PEOPLE = {
    "train": "Bob Alice Tom Emma Jack Lucy David Sara Peter Nina Henry Olga Frank Mia Sam Ruth",
    "test": "Carl Joan Igor Petra Walter Yasmin Leo Greta Hugo Tess",
}
# Lists whose words exclude each other, by kind
EXCLUSIVE = {
    "weekday": {
        "train": "Monday Tuesday Thursday Friday Saturday",
        "test": "Wednesday Sunday Tuesday Friday",
    },
    "month": {
        "train": "January February March May June August September November",
        "test": "April July October December",
    },
    "number": {
        "train": "two three four five six eight nine eleven twelve fifteen twenty thirty ninety",
        "test": "seven ten thirteen fourteen eighteen forty sixty seventy",
    },
    "year": {
        "train": "1874 1901 1912 1931 1945 1958 1969 1987 1992 2003 2011 2016",
        "test": "1889 1926 1950 1975 1998 2007 2019",
    },
    "colour": {
        "train": "red blue green yellow black white brown pink",
        "test": "orange purple grey turquoise beige",
    },
    "nationality": {
        "train": "French German Spanish Chinese Polish Swedish Brazilian Greek Indian Turkish "
        "Canadian Kenyan Danish Korean Mexican Irish",
        "test": "Italian Japanese Dutch Norwegian Russian Egyptian Portuguese Finnish Hungarian "
        "Chilean Austrian Thai",
    },
    "material": {
        "train": "wood steel glass leather paper cotton gold plastic stone brass wool clay",
        "test": "silver copper marble silk bronze bamboo concrete linen rubber oak",
    },
    "place": {
        "train": "Paris London Berlin Madrid Oslo Boston Tokyo Cairo Vienna Delhi",
        "test": "Rome Lisbon Dublin Chicago Prague Athens Sydney Toronto",
    },
    "job": {
        "train": "nurse pilot baker lawyer teacher farmer painter plumber",
        "test": "dentist butcher carpenter journalist gardener tailor",
    },
    "fruit": {
        "train": "apples bananas cherries lemons grapes plums",
        "test": "pears oranges peaches strawberries figs",
    },
}
# Pairs that exclude each other
ANTONYMS = {
    "train": "open/closed full/empty hot/cold wet/dry clean/dirty asleep/awake cheap/expensive "
    "heavy/light early/late alive/dead loud/quiet long/short old/new thick/thin rich/poor "
    "strong/weak noisy/silent",
    "test": "fast/slow hard/soft broken/intact deep/shallow wide/narrow bright/dark safe/dangerous "
    "guilty/innocent present/absent easy/difficult sharp/blunt",
}
VERB_ANTONYMS = {
    "train": "rose/fell won/lost bought/sold arrived/left entered/left loved/hated "
    "started/ended remembered/forgot accepted/refused",
    "test": "increased/decreased passed/failed opened/closed agreed/disagreed succeeded/failed "
    "lent/borrowed",
}
# The comparative, its opposite: A is X than B
COMPARATIVES = {
    "train": "taller/shorter older/younger richer/poorer heavier/lighter stronger/weaker",
    "test": "faster/slower bigger/smaller louder/quieter thinner/fatter",
}
# Past tense and participle of what someone does to someone, who is another one than the first
DEEDS = {
    "train": "called/called helped/helped followed/followed pushed/pushed thanked/thanked "
    "taught/taught paid/paid chased/chased saw/seen",
    "test": "visited/visited kissed/kissed blamed/blamed invited/invited hit/hit watched/watched",
}
# A kind, and what it is a kind of
KINDS = {
    "train": "dog/animal rose/flower hammer/tool piano/instrument car/vehicle carrot/vegetable "
    "shirt/garment eagle/bird salmon/fish oak/tree boy/child",
    "test": "horse/animal tulip/flower violin/instrument lorry/vehicle potato/vegetable "
    "jacket/garment owl/bird trout/fish pine/tree girl/child",
}
# What may be added to a sentence without following from it
EXTRAS = {
    "train": "with a friend/after lunch/because of the rain/for the first time/near the station/"
    "without a word/in a hurry/for a lot of money",
    "test": "with great care/before breakfast/because of a bet/once again/near the harbour/"
    "in the fog/for a neighbour",
}


def read(words: dict[str, str], part: str, separator: str | None = None) -> list[str]:
    """RETURNS (list[str]): The words of a list.

    words (dict[str, str]): The list.
    part (str): `train` or `test`.
    separator (str | None): What divides them; None for spaces.
    """
    return words[part].split(separator)


def read_pairs(words: dict[str, str], part: str) -> list[tuple[str, str]]:
    """RETURNS (list[tuple[str, str]]): The pairs of a list, as in `read`."""
    found = []
    for pair in words[part].split():
        first, _, second = pair.partition("/")
        found.append((first, second))
    return found
