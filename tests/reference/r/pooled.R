# Pooled estimates (pooled.json), and per estimator of tau2: heterogeneity, weights, likelihoods (tau2.json).

moment_methods <- c("DL", "HE", "HS", "HSk", "SJ")
all_methods <- c("FE", moment_methods, "REML", "ML", "EB", "PM", "PMM")
tests <- c("z", "t", "knha", "adhoc")

coefficients_of <- function(fit) {
    z <- fit$test == "z"
    predicted <- predict(fit)
    values <- list(estimate = as.numeric(fit$beta), se = fit$se, statistic = fit$zval, df = if (z) NA else fit$ddf,
                   p_value = fit$pval, ci_low = fit$ci.lb, ci_high = fit$ci.ub, tau2 = fit$tau2,
                   scale_factor = fit$s2w)
    if (fit$method != "FE" && fit$test %in% c("z", "knha")) {
        values$prediction_low <- predicted$pi.lb
        values$prediction_high <- predicted$pi.ub
        # Higgins, Thompson and Spiegelhalter (2009): t with k - 2 degrees of freedom, where there are any.
        reach <- if (fit$k > 2) qt(0.975, fit$k - 2) * sqrt(fit$tau2 + fit$se^2) else NA
        values$prediction_hts_low <- values$estimate - reach
        values$prediction_hts_high <- values$estimate + reach
    }
    values
}

heterogeneity_of <- function(fit) {
    k <- fit$k
    list(tau2 = fit$tau2, tau = sqrt(fit$tau2), se_tau2 = if (fit$method == "FE") NA else fit$se.tau2,
         i2 = fit$I2, h2 = fit$H2, typical_variance = fit$vt,
         i2_from_q = if (fit$QE > 0) max(0, 100 * (fit$QE - (k - 1)) / fit$QE) else 0, h2_from_q = fit$QE / (k - 1),
         q = fit$QE, q_df = k - 1, q_p_value = fit$QEp,
         weights = I(as.numeric(weights(fit))))
}

likelihood_of <- function(fit) {
    stats <- fit$fit.stats
    out <- list(ll_ml = stats["ll", "ML"], deviance_ml = stats["dev", "ML"], aic_ml = stats["AIC", "ML"],
                bic_ml = stats["BIC", "ML"], aicc_ml = stats["AICc", "ML"], ll_reml = stats["ll", "REML"],
                deviance_reml = stats["dev", "REML"], aic_reml = stats["AIC", "REML"],
                bic_reml = stats["BIC", "REML"], aicc_reml = stats["AICc", "REML"])
    out
}

# Methods for which metafor is given tau2: the two-step estimator (DerSimonian and Kacker 2007) and generalised Q with
# three sets of weights.
given_tau2 <- function(y, v) {
    sets <- list(DL2 = 1 / (v + rma(y, v, method = "DL")$tau2), "GENQ:1/v" = 1 / v, "GENQ:1/sqrt(v)" = 1 / sqrt(v),
                 "GENQ:1" = rep(1, length(y)))
    lapply(sets, function(a) {
        fit <- suppressWarnings(rma(y, v, method = "GENQ", weights = a))
        truncated <- max(0, moment_estimator(y, v, a))
        if (abs(fit$tau2 - truncated) > 1e-11 * max(truncated, 1 / mean(1 / v))) stop("GENQ disagrees")
        list(tau2 = fit$tau2, se_tau2 = fit$se.tau2, a = a)
    })
}

# The first measure of a data set is pooled in every way, the others in the common ones, lest the files grow too large.
common_methods <- c("FE", "DL", "PM", "REML")
methods_of <- function(first) if (first) all_methods else common_methods
tests_of <- function(first, method) if (first && method %in% common_methods) tests else c("z", "knha")

make_pooled <- function(datasets, effects) {
    pooled <- list()
    between <- list()
    for (effect in effects) {
        y <- unclass(effect$values$y)
        v <- unclass(effect$values$v)
        keep <- !is.na(y) & !is.na(v)
        y <- y[keep]
        v <- v[keep]
        first <- effect$measure == datasets[[effect$dataset]]$measures[1]
        head <- list(dataset = effect$dataset, measure = effect$measure)
        for (method in methods_of(first)) {
            for (test in tests_of(first, method)) {
                fit <- fit_rma(y, v, method, test)
                pooled[[length(pooled) + 1]] <- c(head, list(method = method, test = test,
                                                             values = coefficients_of(fit)))
            }
            values <- heterogeneity_of(fit)
            if (!(method %in% common_methods)) values$weights <- NULL
            # Q has nothing to do with the estimator of tau2: said once, beside FE.
            if (method != "FE") values[c("q", "q_df", "q_p_value", "i2_from_q", "h2_from_q", "typical_variance")] <- NULL
            if (method %in% c("FE", "ML", "REML")) values <- c(values, likelihood_of(fit))
            if (method %in% c("ML", "REML")) values$maxima <- fit$maxima
            between[[length(between) + 1]] <- c(head, list(method = method, values = values))
        }
        if (first) {
            known <- given_tau2(y, v)
            for (name in names(known)) {
                item <- known[[name]]
                head$method <- sub(":.*", "", name)
                head$moment_weights <- if (head$method == "GENQ") sub(".*:", "", name) else NULL
                # GENQ with weights 1/v is DL, with equal weights HE: pooled once.
                for (test in if (name == "DL2") c("z", "knha") else if (name == "GENQ:1/sqrt(v)") "z" else NULL) {
                    fit <- suppressWarnings(rma(y, v, method = "DL", tau2 = item$tau2, test = test))
                    pooled[[length(pooled) + 1]] <- c(head, list(test = test, values = coefficients_of(fit)))
                }
                fit <- suppressWarnings(rma(y, v, method = "DL", tau2 = item$tau2))
                values <- heterogeneity_of(fit)[c("tau2", "tau", "se_tau2", "i2", "h2")]
                values$se_tau2 <- item$se_tau2
                between[[length(between) + 1]] <- c(head, list(values = values))
            }
        }
    }
    write_records(pooled, "pooled.json")
    write_records(between, "tau2.json")
}
