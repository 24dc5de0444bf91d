"""The base of all sections: strict, frozen, with rules between their settings."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

Path = tuple[str, ...]


class BrokenRule(NamedTuple):
    """A broken rule: the setting to change, the one it contradicts, what is wrong, and the way out."""

    path: Path
    other: Path
    what: str
    remedy: str

    def below(self, section: Path) -> Self:
        """Return the same rule with ``section`` before its paths."""
        return self._replace(path=section + self.path, other=section + self.other)


class Section(BaseModel):
    """A frozen group of settings that refuses keys it does not know and guesses no types."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
        extra="forbid",
        frozen=True,
        strict=True,
        validate_default=True,
        hide_input_in_errors=True,
    )

    def broken_rules(self) -> Iterator[BrokenRule]:
        """Give the broken rules of the section and of the sections in it, with paths from here."""
        yield from self._broken_rules()
        for path, section in self._sections():
            yield from (each.below(path) for each in section.broken_rules())

    def _broken_rules(self) -> Iterator[BrokenRule]:
        """Give the broken rules between settings of the section itself."""
        return iter(())

    def _sections(self) -> Iterator[tuple[Path, "Section"]]:
        settings = {
            field.alias or name: getattr(self, name) for name, field in type(self).model_fields.items()
        }
        for key, value in {**settings, **(self.__pydantic_extra__ or {})}.items():
            if isinstance(value, Section):
                yield (key,), value
            elif isinstance(value, Mapping):
                yield from (((key, name), each) for name, each in value.items() if isinstance(each, Section))
