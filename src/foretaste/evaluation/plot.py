"""The picture of a comparison: a panel a metric, a bar a model, with intervals."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from foretaste.errors import MissingExtraError

if TYPE_CHECKING:
    from foretaste.evaluation.runner import Comparison


def draw(comparison: "Comparison", path: Path) -> Path:
    """Write the picture; the ending of ``path`` says the format (png, svg, pdf).

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise MissingExtraError("plots need matplotlib", hint="pip install 'foretaste[plots]'") from exc
    runs = [run for run in comparison.runs if run.evaluation is not None]
    labels = comparison.metrics
    figure = Figure(figsize=(3.2 * max(1, len(labels)), 1.2 + 0.4 * max(1, len(runs))), layout="constrained")
    FigureCanvasAgg(figure)
    for column, label in enumerate(labels):
        panel = figure.add_subplot(1, len(labels), column + 1)
        values = [run.evaluation.values[label] for run in runs if run.evaluation]
        places = range(len(values))
        panel.barh(places, [value.mean for value in values], color="#4878a8")
        for place, value in enumerate(values):
            if not math.isnan(value.low):
                panel.plot([value.low, value.high], [place, place], color="black", linewidth=1.5)
        panel.set_yticks(places, [run.name for run in runs] if column == 0 else [""] * len(runs))
        panel.invert_yaxis()
        panel.set_title(label, fontsize=10)
    figure.suptitle(comparison.protocol, fontsize=7)
    figure.savefig(path, dpi=120)
    return path
