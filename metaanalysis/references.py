"""The literature behind every formula: citation key -> reference.

A DOI stands only where it is certain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Reference:
    """One publication."""

    authors: str
    year: int
    title: str
    source: str
    doi: str | None = None

    def __str__(self) -> str:
        stop = "" if self.title.endswith("?") else "."
        text = f"{self.authors} ({self.year}). {self.title}{stop} {self.source}."
        return text if self.doi is None else f"{text} doi:{self.doi}"

    @property
    def short(self) -> str:
        """As in running text: "DerSimonian & Laird 1986", "Viechtbauer 2005", "Veroniki et al. 2019"."""
        names = [part.strip().rsplit(" ", maxsplit=1)[0] for part in self.authors.split(",")]
        if len(names) == 1:
            who = names[0]
        elif len(names) == 2:
            who = f"{names[0]} & {names[1]}"
        else:
            who = f"{names[0]} et al."
        return f"{who} {self.year}"


REFERENCES: Mapping[str, Reference] = MappingProxyType(
    {
        "biggerstaff1997": Reference(
            "Biggerstaff BJ, Tweedie RL",
            1997,
            "Incorporating variability in estimates of heterogeneity in the random effects model in meta-analysis",
            "Statistics in Medicine 16, 753-768",
        ),
        "biggerstaff2008": Reference(
            "Biggerstaff BJ, Jackson D",
            2008,
            "The exact distribution of Cochran's heterogeneity statistic in one-way random effects meta-analysis",
            "Statistics in Medicine 27, 6093-6110",
        ),
        "efron1987": Reference(
            "Efron B",
            1987,
            "Better bootstrap confidence intervals",
            "Journal of the American Statistical Association 82, 171-185",
            "10.1080/01621459.1987.10478410",
        ),
        "efron1993": Reference(
            "Efron B, Tibshirani RJ",
            1993,
            "An Introduction to the Bootstrap",
            "New York: Chapman & Hall",
        ),
        "freeman1950": Reference(
            "Freeman MF, Tukey JW",
            1950,
            "Transformations related to the angular and the square root",
            "Annals of Mathematical Statistics 21:607-611",
            "10.1214/aoms/1177729756",
        ),
        "gart1967": Reference(
            "Gart JJ, Zweifel JR",
            1967,
            "On the bias of various estimators of the logit and its variance with application to quantal bioassay",
            "Biometrika 54:181-187",
        ),
        "henmi2010": Reference(
            "Henmi M, Copas JB",
            2010,
            "Confidence intervals for random effects meta-analysis and robustness to publication bias",
            "Statistics in Medicine 29, 2969-2983",
        ),
        "jackson2018": Reference(
            "Jackson D, Law M, Stijnen T, Viechtbauer W, White IR",
            2018,
            "A comparison of seven random-effects models for meta-analyses that estimate the summary odds ratio",
            "Statistics in Medicine 37, 1059-1085",
        ),
        "kuss2015": Reference(
            "Kuss O",
            2015,
            "Statistical methods for meta-analyses including information from studies without any events",
            "Statistics in Medicine 34, 1097-1116",
        ),
        "miller1978": Reference(
            "Miller JJ",
            1978,
            "The inverse of the Freeman-Tukey double arcsine transformation",
            "The American Statistician 32:138",
        ),
        "schwarzer2019": Reference(
            "Schwarzer G, Chemaitelly H, Abu-Raddad LJ, Rücker G",
            2019,
            "Seriously misleading results using inverse of Freeman-Tukey double arcsine transformation in meta-analysis of "
            "single proportions",
            "Research Synthesis Methods 10:476-483",
            "10.1002/jrsm.1348",
        ),
        "stijnen2010": Reference(
            "Stijnen T, Hamza TH, Ozdemir P",
            2010,
            "Random effects meta-analysis of event outcome in the framework of the generalized linear mixed model with "
            "applications in sparse data",
            "Statistics in Medicine 29, 3046-3067",
        ),
        "jackson2013": Reference(
            "Jackson D",
            2013,
            "Confidence intervals for the between-study variance in random effects meta-analysis using generalised Cochran "
            "heterogeneity statistics",
            "Research Synthesis Methods 4, 220-229",
        ),
        "partlett2017": Reference(
            "Partlett C, Riley RD",
            2017,
            "Random effects meta-analysis: coverage performance of 95% confidence and prediction intervals following REML "
            "estimation",
            "Statistics in Medicine 36, 301-317",
        ),
        "brannick2019": Reference(
            "Brannick MT, Potter SM, Benitez B, Morris SB",
            2019,
            "Bias and precision of alternate estimators in meta-analysis",
            "Organizational Research Methods 22, 490-514",
        ),
        "cochran1954": Reference(
            "Cochran WG",
            1954,
            "The combination of estimates from different experiments",
            "Biometrics 10, 101-129",
        ),
        "cooper2024": Reference(
            "Cooper RE, Saunders KRK, Greenburgh A, et al",
            2024,
            "The effectiveness, implementation, and experiences of peer support approaches for mental health: a systematic "
            "umbrella review",
            "BMC Medicine 22:72",
            "10.1186/s12916-024-03260-y",
        ),
        "davison1997": Reference(
            "Davison AC, Hinkley DV",
            1997,
            "Bootstrap Methods and their Application",
            "Cambridge: Cambridge University Press",
            "10.1017/CBO9780511802843",
        ),
        "dersimonian1986": Reference(
            "DerSimonian R, Laird N",
            1986,
            "Meta-analysis in clinical trials",
            "Controlled Clinical Trials 7, 177-188",
            "10.1016/0197-2456(86)90046-2",
        ),
        "dersimonian2007": Reference(
            "DerSimonian R, Kacker R",
            2007,
            "Random-effects model for meta-analysis of clinical trials: an update",
            "Contemporary Clinical Trials 28, 105-114",
            "10.1016/j.cct.2006.04.004",
        ),
        "follmann1999": Reference(
            "Follmann DA, Proschan MA",
            1999,
            "Valid inference in random effects meta-analysis",
            "Biometrics 55, 732-737",
        ),
        "greenland1985": Reference(
            "Greenland S, Robins JM",
            1985,
            "Estimation of a common effect parameter from sparse follow-up data",
            "Biometrics 41, 55-68",
        ),
        "hardy1996": Reference(
            "Hardy RJ, Thompson SG",
            1996,
            "A likelihood approach to meta-analysis with random effects",
            "Statistics in Medicine 15, 619-629",
        ),
        "hartung2001": Reference(
            "Hartung J, Knapp G",
            2001,
            "A refined method for the meta-analysis of controlled clinical trials with binary outcome",
            "Statistics in Medicine 20, 3875-3889",
            "10.1002/sim.1009",
        ),
        "hedges1981": Reference(
            "Hedges LV",
            1981,
            "Distribution theory for Glass's estimator of effect size and related estimators",
            "Journal of Educational Statistics 6, 107-128",
        ),
        "hedges1985": Reference("Hedges LV, Olkin I", 1985, "Statistical methods for meta-analysis", "Academic Press"),
        "higgins2002": Reference(
            "Higgins JPT, Thompson SG",
            2002,
            "Quantifying heterogeneity in a meta-analysis",
            "Statistics in Medicine 21, 1539-1558",
            "10.1002/sim.1186",
        ),
        "higgins2009": Reference(
            "Higgins JPT, Thompson SG, Spiegelhalter DJ",
            2009,
            "A re-evaluation of random-effects meta-analysis",
            "Journal of the Royal Statistical Society A 172, 137-159",
            "10.1111/j.1467-985X.2008.00552.x",
        ),
        "hunter1990": Reference(
            "Hunter JE, Schmidt FL",
            1990,
            "Methods of meta-analysis: correcting error and bias in research findings",
            "Sage",
        ),
        "knapp2003": Reference(
            "Knapp G, Hartung J",
            2003,
            "Improved tests for a random effects meta-regression with a single covariate",
            "Statistics in Medicine 22, 2693-2710",
            "10.1002/sim.1482",
        ),
        "mantel1959": Reference(
            "Mantel N, Haenszel W",
            1959,
            "Statistical aspects of the analysis of data from retrospective studies of disease",
            "Journal of the National Cancer Institute 22, 719-748",
        ),
        "morris1983": Reference(
            "Morris CN",
            1983,
            "Parametric empirical Bayes inference: theory and applications",
            "Journal of the American Statistical Association 78, 47-55",
        ),
        "nagashima2019": Reference(
            "Nagashima K, Noma H, Furukawa TA",
            2019,
            "Prediction intervals for random-effects meta-analysis: a confidence distribution approach",
            "Statistical Methods in Medical Research 28, 1689-1702",
        ),
        "paule1982": Reference(
            "Paule RC, Mandel J",
            1982,
            "Consensus values and weighting factors",
            "Journal of Research of the National Bureau of Standards 87, 377-385",
        ),
        "perezbracchiglione2022": Reference(
            "Pérez-Bracchiglione J, Meza N, Bangdiwala SI, et al",
            2022,
            "Graphical Representation of Overlap for OVErviews: GROOVE tool",
            "Research Synthesis Methods 13, 381-388",
            "10.1002/jrsm.1557",
        ),
        "pieper2014": Reference(
            "Pieper D, Antoine SL, Mathes T, Neugebauer EAM, Eikermann M",
            2014,
            "Systematic review finds overlapping reviews were not mentioned in every other overview",
            "Journal of Clinical Epidemiology 67, 368-375",
            "10.1016/j.jclinepi.2013.11.007",
        ),
        "robins1986": Reference(
            "Robins J, Breslow N, Greenland S",
            1986,
            "Estimators of the Mantel-Haenszel variance consistent in both sparse data and large-strata limiting models",
            "Biometrics 42, 311-323",
        ),
        "sato1989": Reference(
            "Sato T, Greenland S, Robins JM",
            1989,
            "On the variance estimator for the Mantel-Haenszel risk difference",
            "Biometrics 45, 1323-1324",
        ),
        "sidik2002": Reference(
            "Sidik K, Jonkman JN",
            2002,
            "A simple confidence interval for meta-analysis",
            "Statistics in Medicine 21, 3153-3159",
        ),
        "sidik2005": Reference(
            "Sidik K, Jonkman JN",
            2005,
            "Simple heterogeneity variance estimation for meta-analysis",
            "Journal of the Royal Statistical Society C 54, 367-384",
        ),
        "sweeting2004": Reference(
            "Sweeting MJ, Sutton AJ, Lambert PC",
            2004,
            "What to add to nothing? Use and avoidance of continuity corrections in meta-analysis of sparse data",
            "Statistics in Medicine 23:1351-1375",
            "10.1002/sim.1761",
        ),
        "thompson2002": Reference(
            "Thompson SG, Higgins JPT",
            2002,
            "How should meta-regression analyses be undertaken and interpreted?",
            "Statistics in Medicine 21, 1559-1573",
            "10.1002/sim.1187",
        ),
        "veroniki2019": Reference(
            "Veroniki AA, Jackson D, Bender R, Kuss O, Langan D, Higgins JPT, Knapp G, Salanti G",
            2019,
            "Methods to calculate uncertainty in the estimated overall effect size from a random-effects meta-analysis",
            "Research Synthesis Methods 10, 23-43",
        ),
        "viechtbauer2005": Reference(
            "Viechtbauer W",
            2005,
            "Bias and efficiency of meta-analytic variance estimators in the random-effects model",
            "Journal of Educational and Behavioral Statistics 30, 261-293",
            "10.3102/10769986030003261",
        ),
        "viechtbauer2007": Reference(
            "Viechtbauer W",
            2007,
            "Confidence intervals for the amount of heterogeneity in meta-analysis",
            "Statistics in Medicine 26, 37-52",
            "10.1002/sim.2514",
        ),
        "viechtbauer2021": Reference(
            "Viechtbauer W",
            2021,
            "Median-unbiased estimators for the amount of heterogeneity in meta-analysis",
            "European Congress of Methodology, Valencia",
        ),
        "baujat2002": Reference(
            "Baujat B, Mahé C, Pignon JP, Hill C",
            2002,
            "A graphical method for exploring heterogeneity in meta-analyses: application to a meta-analysis of 65 trials",
            "Statistics in Medicine 21, 2641-2652",
            "10.1002/sim.1221",
        ),
        "begg1994": Reference(
            "Begg CB, Mazumdar M",
            1994,
            "Operating characteristics of a rank correlation test for publication bias",
            "Biometrics 50, 1088-1101",
            "10.2307/2533446",
        ),
        "deeks2005": Reference(
            "Deeks JJ, Macaskill P, Irwig L",
            2005,
            "The performance of tests of publication bias and other sample size effects in systematic reviews of diagnostic "
            "test accuracy was assessed",
            "Journal of Clinical Epidemiology 58, 882-893",
            "10.1016/j.jclinepi.2005.01.016",
        ),
        "duval2000": Reference(
            "Duval S, Tweedie R",
            2000,
            "Trim and fill: a simple funnel-plot-based method of testing and adjusting for publication bias in meta-analysis",
            "Biometrics 56, 455-463",
            "10.1111/j.0006-341X.2000.00455.x",
        ),
        "egger1997": Reference(
            "Egger M, Davey Smith G, Schneider M, Minder C",
            1997,
            "Bias in meta-analysis detected by a simple, graphical test",
            "BMJ 315, 629-634",
            "10.1136/bmj.315.7109.629",
        ),
        "harbord2006": Reference(
            "Harbord RM, Egger M, Sterne JAC",
            2006,
            "A modified test for small-study effects in meta-analyses of controlled trials with binary endpoints",
            "Statistics in Medicine 25, 3443-3457",
            "10.1002/sim.2380",
        ),
        "higgins2004": Reference(
            "Higgins JPT, Thompson SG",
            2004,
            "Controlling the risk of spurious findings from meta-regression",
            "Statistics in Medicine 23, 1663-1682",
            "10.1002/sim.1752",
        ),
        "macaskill2001": Reference(
            "Macaskill P, Walter SD, Irwig L",
            2001,
            "A comparison of methods to detect publication bias in meta-analysis",
            "Statistics in Medicine 20, 641-654",
            "10.1002/sim.698",
        ),
        "olkin2012": Reference(
            "Olkin I, Dahabreh IJ, Trikalinos TA",
            2012,
            "GOSH: a graphical display of study heterogeneity",
            "Research Synthesis Methods 3, 214-223",
            "10.1002/jrsm.1053",
        ),
        "orwin1983": Reference(
            "Orwin RG",
            1983,
            "A fail-safe N for effect size in meta-analysis",
            "Journal of Educational Statistics 8, 157-159",
            "10.3102/10769986008002157",
        ),
        "peters2006": Reference(
            "Peters JL, Sutton AJ, Jones DR, Abrams KR, Rushton L",
            2006,
            "Comparison of two methods to detect publication bias in meta-analysis",
            "JAMA 295, 676-680",
            "10.1001/jama.295.6.676",
        ),
        "pustejovsky2019": Reference(
            "Pustejovsky JE, Rodgers MA",
            2019,
            "Testing for funnel plot asymmetry of standardized mean differences",
            "Research Synthesis Methods 10, 57-71",
            "10.1002/jrsm.1332",
        ),
        "rosenberg2005": Reference(
            "Rosenberg MS",
            2005,
            "The file-drawer problem revisited: a general weighted method for calculating fail-safe numbers in meta-analysis",
            "Evolution 59, 464-468",
        ),
        "rosenthal1979": Reference(
            "Rosenthal R",
            1979,
            "The file drawer problem and tolerance for null results",
            "Psychological Bulletin 86, 638-641",
            "10.1037/0033-2909.86.3.638",
        ),
        "rucker2008": Reference(
            "Rücker G, Schwarzer G, Carpenter JR",
            2008,
            "Arcsine test for publication bias in meta-analyses with binary outcomes",
            "Statistics in Medicine 27, 746-763",
            "10.1002/sim.2971",
        ),
        "schwarzer2007": Reference(
            "Schwarzer G, Antes G, Schumacher M",
            2007,
            "A test for publication bias in meta-analysis with sparse binary data",
            "Statistics in Medicine 26, 721-733",
        ),
        "stanley2014": Reference(
            "Stanley TD, Doucouliagos H",
            2014,
            "Meta-regression approximations to reduce publication selection bias",
            "Research Synthesis Methods 5, 60-78",
            "10.1002/jrsm.1095",
        ),
        "thompson1999": Reference(
            "Thompson SG, Sharp SJ",
            1999,
            "Explaining heterogeneity in meta-analysis: a comparison of methods",
            "Statistics in Medicine 18, 2693-2708",
        ),
        "skoetz2020": Reference(
            "Skoetz N, Goldkuhle M, van Dalen EC, et al",
            2020,
            "GRADE guidelines 27: how to calculate absolute effects for time-to-event outcomes in summary of findings tables and "
            "Evidence Profiles",
            "Journal of Clinical Epidemiology 118, 124-131",
        ),
        "sterne2011": Reference(
            "Sterne JAC, Sutton AJ, Ioannidis JPA, et al",
            2011,
            "Recommendations for examining and interpreting funnel plot asymmetry in meta-analyses of randomised controlled trials",
            "BMJ 343, d4002",
            "10.1136/bmj.d4002",
        ),
        "veroniki2016": Reference(
            "Veroniki AA, Jackson D, Viechtbauer W, et al",
            2016,
            "Methods to estimate the between-study variance and its uncertainty in meta-analysis",
            "Research Synthesis Methods 7, 55-79",
            "10.1002/jrsm.1164",
        ),
        "viechtbauer2010": Reference(
            "Viechtbauer W, Cheung MWL",
            2010,
            "Outlier and influence diagnostics for meta-analysis",
            "Research Synthesis Methods 1, 112-125",
            "10.1002/jrsm.11",
        ),
        "viechtbauer2022": Reference(
            "Viechtbauer W, López-López JA",
            2022,
            "Location-scale models for meta-analysis",
            "Research Synthesis Methods 13, 697-715",
            "10.1002/jrsm.1562",
        ),
        "wiksten2016": Reference(
            "Wiksten A, Rücker G, Schwarzer G",
            2016,
            "Hartung-Knapp method is not always conservative compared with fixed-effect meta-analysis",
            "Statistics in Medicine 35, 2503-2515",
        ),
        "yusuf1985": Reference(
            "Yusuf S, Peto R, Lewis J, Collins R, Sleight P",
            1985,
            "Beta blockade during and after myocardial infarction: an overview of the randomized trials",
            "Progress in Cardiovascular Diseases 27, 335-371",
            "10.1016/S0033-0620(85)80003-7",
        ),
    }
)


def reference(key: str) -> Reference:
    """The reference of a citation key."""
    return REFERENCES[key]


class Citations:
    """Cites as it goes: each call returns the short form and remembers the reference."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def __call__(self, key: str | None) -> str:
        """(Author year), or nothing for a key without a reference."""
        if key is None or key not in REFERENCES:
            return ""
        if key not in self.keys:
            self.keys.append(key)
        return f" ({REFERENCES[key].short})"

    def listed(self) -> str:
        """The references, sorted as in a reference list."""
        return "\n".join(sorted(str(REFERENCES[key]) for key in self.keys))


def with_references(sentences: list[str], cite: Citations) -> str:
    """The paragraph, and its reference list."""
    text = " ".join(sentence for sentence in sentences if sentence)
    return f"{text}\n\nReferences\n{cite.listed()}" if cite.keys else text
