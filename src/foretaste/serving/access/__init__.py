"""Who may do what: API keys, signed tokens, scopes, and the log of what was done."""

from foretaste.serving.access.access import Access
from foretaste.serving.access.audit import Audit, pseudonym
from foretaste.serving.access.keys import ApiKey, Keys
from foretaste.serving.access.principal import ANYONE, SCOPES, Principal
from foretaste.serving.access.tokens import Tokens

__all__ = ["ANYONE", "SCOPES", "Access", "ApiKey", "Audit", "Keys", "Principal", "Tokens", "pseudonym"]
