"""From what papers print to what a meta-analysis needs, each conversion checked: the public names.

A conversion takes numbers, arrays or pandas Series and gives back the same kind; an effect size comes with its variance as
``y, v``; a table or several numbers a study come as a pandas frame. Missing numbers stay missing. What can't be is refused
with the study, the column and the value.
"""

from __future__ import annotations

from metaanalysis.effects.conversions_from_quantiles import mean_sd_from_quantiles
from metaanalysis.effects.conversions_from_tests import (
    r_from_smd,
    smd_from_d,
    smd_from_f,
    smd_from_log_odds_ratio,
    smd_from_p,
    smd_from_r,
    smd_from_t,
)
from metaanalysis.effects.conversions_inputs import Estimate
from metaanalysis.effects.conversions_risks import convert_risk, effects_at_baseline_risk, number_needed_to_treat
from metaanalysis.effects.conversions_spreads import (
    change_sd,
    combine_arms,
    correlation_from_change_sd,
    sd_from_difference,
    sd_from_interval,
    sd_from_standard_error,
)
from metaanalysis.effects.conversions_standard_errors import (
    delta_method,
    estimate_from_interval,
    standard_error_from_interval,
    standard_error_from_p,
    standard_error_from_statistic,
)
from metaanalysis.effects.conversions_tables import (
    table_from_accuracy,
    table_from_cells,
    table_from_margins,
    table_from_odds_ratio,
    table_from_risks,
)
from metaanalysis.effects.conversions_to_correlations import r_from_chi_square, r_from_f, r_from_p, r_from_t

__all__ = [
    "Estimate",
    "change_sd",
    "combine_arms",
    "convert_risk",
    "correlation_from_change_sd",
    "delta_method",
    "effects_at_baseline_risk",
    "estimate_from_interval",
    "mean_sd_from_quantiles",
    "number_needed_to_treat",
    "r_from_chi_square",
    "r_from_f",
    "r_from_p",
    "r_from_smd",
    "r_from_t",
    "sd_from_difference",
    "sd_from_interval",
    "sd_from_standard_error",
    "smd_from_d",
    "smd_from_f",
    "smd_from_log_odds_ratio",
    "smd_from_p",
    "smd_from_r",
    "smd_from_t",
    "standard_error_from_interval",
    "standard_error_from_p",
    "standard_error_from_statistic",
    "table_from_accuracy",
    "table_from_cells",
    "table_from_margins",
    "table_from_odds_ratio",
    "table_from_risks",
]
