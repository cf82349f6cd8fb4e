# Subgroups with a between-study variance each, and with a common one (subgroups.json).

subgroup_sets <- list(
    list(dataset = "bcg", measure = "RR", by = "alloc"),
    list(dataset = "bcg", measure = "OR", by = "alloc"),
    list(dataset = "gibson2002", measure = "SMD", by = "type"),
    list(dataset = "raudenbush1985", measure = "GEN", by = "setting"),
    list(dataset = "raudenbush1985", measure = "GEN", by = "tester"),
    list(dataset = "baskerville2012", measure = "GEN", by = "design"),
    list(dataset = "molloy2014", measure = "ZCOR", by = "controls"),
    list(dataset = "hackshaw1998", measure = "GEN", by = "design"),
    list(dataset = "pignon2000", measure = "GEN", by = "group"),
    list(dataset = "mcdaniel1994", measure = "ZCOR", by = "type"))

subgroup_methods <- c("FE", "DL", "PM", "REML", "ML")

group_values <- function(fit) {
    heterogeneity <- heterogeneity_of(fit)
    heterogeneity[c("weights", "tau", "i2_from_q", "h2_from_q", "typical_variance")] <- NULL
    c(list(k = fit$k), coefficients_of(fit)[c("estimate", "se", "statistic", "df", "p_value", "ci_low", "ci_high")],
      heterogeneity)
}

make_subgroups <- function(datasets, effects) {
    out <- list()
    for (set in subgroup_sets) {
        effect <- Filter(function(e) e$dataset == set$dataset && e$measure == set$measure, effects)[[1]]
        group <- as.character(datasets[[set$dataset]]$columns[[set$by]])
        keep <- !is.na(group)
        y <- unclass(effect$values$y)[keep]
        v <- unclass(effect$values$v)[keep]
        group <- group[keep]
        names <- sort(unique(group))
        for (method in subgroup_methods) for (test in c("z", "knha")) {
            head <- c(set, list(method = method, test = test))
            if (all(table(group) > 1)) {
                fits <- lapply(names, function(g) fit_rma(y[group == g], v[group == g], method, test))
                estimates <- vapply(fits, function(f) as.numeric(f$beta), 0)
                variances <- vapply(fits, function(f) f$se^2, 0)
                between <- suppressWarnings(rma(estimates, variances, method = "FE"))
                values <- list(q_between = between$QE, q_between_df = length(names) - 1, q_between_p_value = between$QEp,
                               groups = setNames(lapply(fits, group_values), names),
                               overall = group_values(fit_rma(y, v, method, test)))
                out[[length(out) + 1]] <- c(head, list(tau2_shared = FALSE, values = values))
            }
            if (length(y) > length(names)) {
                X <- outer(group, names, "==") * 1
                colnames(X) <- names
                separate <- fit_rma(y, v, method, test, X = X)
                contrast <- fit_rma(y, v, method, test, X = cbind(intercept = 1, X[, -1, drop = FALSE]))
                coefficients <- lapply(seq_along(names), function(i) list(
                    k = sum(group == names[i]), estimate = as.numeric(separate$beta)[i], se = separate$se[i],
                    statistic = separate$zval[i], p_value = separate$pval[i], ci_low = separate$ci.lb[i],
                    ci_high = separate$ci.ub[i]))
                values <- list(q_between = contrast$QM, q_between_df = contrast$QMdf[1], q_between_df2 = contrast$QMdf[2],
                               q_between_p_value = contrast$QMp, tau2 = contrast$tau2, se_tau2 = contrast$se.tau2,
                               i2 = contrast$I2, h2 = contrast$H2, q_within = contrast$QE, q_within_p_value = contrast$QEp,
                               df = if (test == "z") NA else contrast$ddf, groups = setNames(coefficients, names))
                out[[length(out) + 1]] <- c(head, list(tau2_shared = TRUE, values = values))
            }
        }
    }
    write_records(out, "subgroups.json")
}
