"""Say why: reasons of models as sentences for people."""

from foretaste.explain.english import ENGLISH
from foretaste.explain.language import Language
from foretaste.explain.sentences import sentence

__all__ = ["ENGLISH", "Language", "sentence"]
