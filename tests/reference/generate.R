# Writes the reference values beside this file. Needs Debian's r-cran-metafor, r-cran-metadat, r-cran-lme4, r-cran-numderiv, r-cran-biasedurn.
#   Rscript generate.R            everything
#   Rscript generate.R pooled     the parts named

suppressMessages({
    library(metafor)
    library(metadat)
})
options(warn = 1)

here <- dirname(sub("--file=", "", grep("--file=", commandArgs(FALSE), value = TRUE)))
setwd(here)
for (file in list.files("r", full.names = TRUE)) source(file)

parts <- commandArgs(TRUE)
wanted <- function(part) length(parts) == 0 || part %in% parts

assignInNamespace(".cmicalc", exact_correction, "metafor")
assignInNamespace(".Fcalc", exact_hypergeometric, "metafor")

datasets <- make_datasets()
write_datasets(datasets)
effects <- make_effect_sizes(datasets)

if (wanted("tables")) {
    make_mantel_haenszel(datasets)
    make_peto(datasets)
}
if (wanted("pooled")) make_pooled(datasets, effects)
if (wanted("subgroups")) make_subgroups(datasets, effects)
if (wanted("intervals")) make_intervals(datasets, effects)
if (wanted("regressions")) make_regressions(datasets, effects)
if (wanted("influence")) make_influence(datasets, effects)
if (wanted("asymmetry")) make_asymmetry(datasets, effects)
if (wanted("resampling")) make_resampling(datasets, effects)
if (wanted("jackknife")) make_jackknife(effects)
if (wanted("glmm")) make_glmm(datasets)
if (wanted("location_scale")) make_location_scale(datasets, effects)
if (wanted("escalc")) {
    sets <- make_escalc_datasets()
    write_escalc_datasets(sets)
    make_escalc(sets)
    make_continuity(sets)
    make_formulas(sets)
}

write_object(list(R = as.character(getRversion()), metafor = as.character(packageVersion("metafor")),
                  metadat = as.character(packageVersion("metadat")), Matrix = as.character(packageVersion("Matrix")),
                  platform = R.version$platform), "versions.json")
message("largest relative residual of an estimating equation: ", signif(largest_residual, 2))
