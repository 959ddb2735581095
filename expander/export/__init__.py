"""Hand a corpus to those who train on it: rows that no trainer skips, parts that share no question, and a card."""

from __future__ import annotations

from expander.export.exporting import ExportOptions, export
from expander.export.facts import ArmFacts, CardFacts, FunnelFacts, Origin
from expander.export.formats import FORMATS
from expander.export.report import ExportReport, LeftOut, SplitSize
from expander.export.split import Shares, Split, assign
from expander.export.system_prompt import SystemPrompt, published_prompt
from expander.export.writing import ExportError

__all__ = [
    "FORMATS",
    "ArmFacts",
    "CardFacts",
    "ExportError",
    "ExportOptions",
    "ExportReport",
    "FunnelFacts",
    "LeftOut",
    "Origin",
    "Shares",
    "Split",
    "SplitSize",
    "SystemPrompt",
    "assign",
    "export",
    "published_prompt",
]
