"""Bandits: choose among arms (new items, policies) while learning from rewards which are worth it.

Not recommenders: they have no users, and learn one reward at a time. ``foretaste.serving.exploration`` puts them to
use.
"""

from foretaste.models.bandits.base import Bandit, BanditConfig, Choice
from foretaste.models.bandits.registry import bandit_class, bandit_names, create_bandit

__all__ = ["Bandit", "BanditConfig", "Choice", "bandit_class", "bandit_names", "create_bandit"]
