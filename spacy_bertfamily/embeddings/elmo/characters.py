"""Words as the bytes of their spelling, as ELMo reads them."""

# A word's numbers: begin, the bytes, end, padding. Before they are looked up each is raised by one,
# so that 0 pads whole words.
MAX_CHARACTERS = 50
MAX_BYTES = MAX_CHARACTERS - 2
BEGIN_SENTENCE, END_SENTENCE, BEGIN_WORD, END_WORD, PADDING = 256, 257, 258, 259, 260
# Rows of the table of characters: all of these, and the one for padding of words.
TABLE_ROWS = 262


def character_ids(word: str) -> list[int]:
    """Spell a word in UTF-8. What is beyond 48 bytes is left out.

    word (str): The word.
    RETURNS (list[int]): MAX_CHARACTERS numbers.
    """
    return _frame(list(word.encode("utf8", "surrogatepass")[:MAX_BYTES]))


def begin_sentence_ids() -> list[int]:
    """RETURNS (list[int]): The numbers of the word before each sentence."""
    return _frame([BEGIN_SENTENCE])


def end_sentence_ids() -> list[int]:
    """RETURNS (list[int]): The numbers of the word after each sentence."""
    return _frame([END_SENTENCE])


def _frame(content: list[int]) -> list[int]:
    framed = [BEGIN_WORD, *content, END_WORD]
    framed += [PADDING] * (MAX_CHARACTERS - len(framed))
    return [number + 1 for number in framed]
