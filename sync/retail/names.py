"""What is said to people in both languages of the counter. Not here: whose name it is."""

from typing import Literal

from msgspec import Struct, field

Language = Literal["zh-Hant", "en"]


class Name(Struct, frozen=True, omit_defaults=True):
    """A product's name in both languages of the counter; at least one is not empty."""

    zh_hant: str = field(default="", name="zh-Hant")
    en: str = ""

    def text(self, language: Language) -> str:
        """Return the name in the language, or the other one where that is empty."""
        return (self.zh_hant or self.en) if language == "zh-Hant" else (self.en or self.zh_hant)


class NameIn(Name, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A name as somebody sends it to be written: another language than these two is a mistake that is told."""

    @property
    def plain(self) -> Name:
        """The same as it is stored."""
        return Name(self.zh_hant, self.en)
