"""The rules of one pipeline, kept ready for the catalogue of the moment."""

from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.rules.compiled import CompiledRules
from foretaste.serving.rules.config import RuleSet


class RuleBook:
    """Compiles rules once for each version of the catalogue. Safe to use from several threads."""

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self._compiled: CompiledRules | None = None

    def over(self, catalogue: Catalogue) -> CompiledRules:
        """The rules for this catalogue; what still holds of the one before is not computed again.

        Several threads may compile at once; the last one's result stays.
        """
        found = self._compiled
        if found is None or found.catalogue is not catalogue:
            found = self._compiled = CompiledRules(self.rules, catalogue, found)
        return found
