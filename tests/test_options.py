from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest

from metaanalysis.conventions import CONVENTIONS, convention_named, override
from metaanalysis.errors import MetaAnalysisError, OptionError, nearest
from metaanalysis.formulas.inference import CI
from metaanalysis.formulas.prediction import PREDICTION
from metaanalysis.formulas.tau2 import TAU2
from metaanalysis.options import EffectOptions, PoolOptions, checked_level, choose
from metaanalysis.references import REFERENCES
from metaanalysis.registry import Entry, Registry


def plain(x: float) -> float:
    return x


REGISTRY: Registry = Registry("colour", {"Red": Entry(plain, "a red"), "Blue": Entry(plain, "a blue", "key2000")})


class TestRegistry:
    def test_is_a_mapping_in_the_order_of_writing(self):
        assert isinstance(REGISTRY, Mapping)
        assert list(REGISTRY) == ["Red", "Blue"]
        assert len(REGISTRY) == 2
        assert "Red" in REGISTRY

    def test_case_does_not_matter_and_the_own_spelling_comes_back(self):
        assert REGISTRY.key("red") == "Red"
        assert REGISTRY.entry("BLUE").reference == "key2000"

    @pytest.mark.parametrize("wrong", ["Rad", "", 3, None])
    def test_unknown_keys_list_the_choices(self, wrong):
        with pytest.raises(OptionError, match=r"colour=.* is not a choice\..*The choices are: Red, Blue\."):
            REGISTRY.key(wrong)

    def test_functions_are_entries_of_their_own(self):
        def my_own(x: float) -> float:
            return x

        assert REGISTRY.entry(my_own).function is my_own
        assert REGISTRY.key(my_own) == "my_own"

    @pytest.mark.parametrize("registry", [TAU2, CI, PREDICTION], ids=lambda registry: registry.option)
    def test_every_entry_has_a_title_and_known_references(self, registry):
        for key, entry in registry.items():
            assert entry.title, key
            assert callable(entry.function)
            assert entry.reference is None or entry.reference in REFERENCES, (key, entry.reference)


class TestOptions:
    @pytest.mark.parametrize("options", [EffectOptions, PoolOptions])
    def test_are_frozen_and_equal_by_value(self, options):
        assert options() == options()
        field = dataclasses.fields(options)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(options(), field, "other")

    def test_are_checked_when_they_are_made(self):
        for wrong in ({"tau2": "XX"}, {"ci": "XX"}, {"prediction": "XX"}, {"model": "XX"}, {"method": "XX"}, {"i2": "XX"},
                      {"risk_difference_variance": "XX"}, {"level": 2}):  # fmt: skip
            with pytest.raises(OptionError, match=f"{next(iter(wrong))}="):
                PoolOptions(**wrong)
        for wrong in ({"to": "XX"}, {"addition": "XX"}, {"double_zero": "XX"}, {"peto": "XX"}, {"add": -0.5},
                      {"risk_difference": "XX"}, {"risk_ratio_denominator": "XX"}, {"smd_variance": "XX"}):  # fmt: skip
            with pytest.raises(OptionError, match=f"{next(iter(wrong))}="):
                EffectOptions(**wrong)

    def test_take_the_own_spelling(self):
        assert PoolOptions(tau2="reml", ci="HKSJ", model="Common").tau2 == "REML"
        assert PoolOptions(ci="HKSJ") == PoolOptions(ci="hksj")
        assert PoolOptions(tau2="hsk").tau2 == "HSk"

    @pytest.mark.parametrize("level", [0.95, "0.9", 1e-6])
    def test_levels(self, level):
        assert checked_level(level) == float(level)

    @pytest.mark.parametrize(
        "level, hint",
        [(95, "0.95"), (99.9, "0.999"), (0, None), (1, None), (-0.95, None), (150, None), (None, None)],
    )
    def test_what_is_no_level(self, level, hint):
        with pytest.raises(OptionError, match=r"not a confidence level") as caught:
            checked_level(level)
        assert ("Did you mean" in str(caught.value)) == (hint is not None)
        assert hint is None or hint in str(caught.value)

    def test_choose(self):
        assert choose("shape", "ROUND", ("round", "square")) == "round"
        with pytest.raises(OptionError, match=r"shape='rond'.*'round'.*round, square"):
            choose("shape", "rond", ("round", "square"))

    def test_override(self):
        options = PoolOptions(tau2="DL")
        assert override(options, {"ci": "t", "tau2": None}) == PoolOptions(tau2="DL", ci="t")
        assert options.ci == "wald"
        with pytest.raises(OptionError, match=r"no option 'taus'\. Did you mean 'tau2'"):
            override(options, {"taus": "DL"})


class TestConventions:
    def test_metafor_is_what_comes_without_asking(self):
        assert convention_named("metafor").effects == EffectOptions()
        assert convention_named("metafor").pool == PoolOptions()

    def test_case_does_not_matter(self):
        assert convention_named("RevMan5") is CONVENTIONS["revman5"]
        with pytest.raises(OptionError, match="metafor, meta, revman5, revman, stata"):
            convention_named("spss")

    def test_the_table_of_differences(self):
        pool = {name: convention.pool for name, convention in CONVENTIONS.items()}
        effects = {name: convention.effects for name, convention in CONVENTIONS.items()}
        assert pool["revman5"].tau2 == "DL"
        assert {name for name in pool if pool[name].tau2 == "REML"} == {"metafor", "meta", "revman", "stata"}
        assert {name for name in pool if pool[name].i2 == "q"} == {"meta", "revman5"}
        assert {name for name in pool if pool[name].corrected_tables} == {"meta", "revman5", "revman"}
        assert {name for name in pool if pool[name].risk_difference_variance == "sato"} == {"metafor"}
        assert {name for name in effects if effects[name].double_zero != "keep"} == {"meta", "revman5", "revman"}
        assert {name for name in effects if effects[name].risk_ratio_denominator == "events"} == {"meta"}
        assert effects["revman5"].smd_correction == "approximate"
        assert {name: e.smd_variance for name, e in effects.items()}["meta"] == "meta"
        assert all(p.ci == "wald" and p.model == "random" and p.level == 0.95 for p in pool.values())

    def test_are_closed_to_changes(self):
        with pytest.raises(TypeError):
            CONVENTIONS["mine"] = CONVENTIONS["meta"]  # type: ignore[index]


class TestErrors:
    def test_are_what_python_programs_catch_too(self):
        import metaanalysis as ma

        assert issubclass(ma.DataError, (MetaAnalysisError, ValueError))
        assert issubclass(ma.DataError, ValueError)
        assert issubclass(ma.OptionError, ValueError)
        assert issubclass(ma.ConvergenceError, RuntimeError)
        assert all(issubclass(e, MetaAnalysisError) for e in (ma.DataError, ma.OptionError, ma.ConvergenceError))

    def test_nearest_names(self):
        assert nearest("event1", ["events1", "events2", "n1"]) == " Did you mean 'events1' or 'events2'?"
        assert nearest("EVENTS1", ["events1"]) == " Did you mean 'events1'?"
        assert nearest("zzz", ["events1"]) == ""
