"""The look of every picture, and how one is put into a page.

A page holds plotly's program once and opens without a network.
"""

from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

INK, MUTED, GRID = "#1f2933", "#7b8794", "#e4e7eb"
GAIN, LOSS, ACCENT, SHADE = "#1b7f5c", "#c0392b", "#2b5fa8", "rgba(43, 95, 168, 0.10)"

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"


def figure(*, height: int = 320, **layout: Any) -> go.Figure:
    """Return an empty picture in the house's look; `layout` overrides."""
    axis = {
        "gridcolor": GRID,
        "linecolor": GRID,
        "zerolinecolor": GRID,
        "ticks": "",
        "automargin": True,
    }
    defaults: dict[str, Any] = {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": _FONT, "size": 12, "color": INK},
        "xaxis": axis,
        "yaxis": axis,
        "hovermode": "x unified",
        "showlegend": False,
        "legend": {"orientation": "h", "y": 1.08, "x": 0.0},
    }
    return go.Figure(layout=go.Layout(**(defaults | layout)))


def division(picture: go.Figure, name: str) -> str:
    """Return a picture as a piece of HTML, the same for the same picture; `name` is its id."""
    text: str = picture.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=name,
        config={"displayModeBar": False, "responsive": True},
    )
    return text


def program() -> str:
    """Return plotly's program, for one script element of a page."""
    text: str = get_plotlyjs()
    # Within a script element the text ends at the first closing tag, wherever it stands.
    return text.replace("</script", "<\\/script")
