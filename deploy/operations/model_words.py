"""How a model and its share of the signals are called, wherever people read of them."""

from trainers.learner import NULL

NULL_MODEL = "null model"


def model_name(version: str) -> str:
    """Return a version as people say it: that of nobody is the null model.

    >>> model_name("constant"), model_name("breakout-3f2a")
    ('null model', 'breakout-3f2a')
    """
    return NULL_MODEL if version in ("", NULL) else version


def share_of_signals(share: float) -> str:
    """Return a canary's share as short as it can be read, and never as all or nothing.

    >>> share_of_signals(0.25), share_of_signals(1e-12), share_of_signals(0.99999)
    ('0.25', '1e-12', '0.99999')
    """
    text = f"{share:.4g}"
    return repr(share) if text == "1" and share < 1.0 else text
