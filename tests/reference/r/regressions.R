# Meta-regressions (regressions.json).

regression_models <- list(
    list(dataset = "bcg", measure = "RR", formula = "~ ablat", new = data.frame(ablat = c(10, 33.5, 55))),
    list(dataset = "bcg", measure = "RR", formula = "~ ablat + year",
         new = data.frame(ablat = c(10, 33.5, 55), year = c(1950, 1966, 1980))),
    list(dataset = "bcg", measure = "RR", formula = "~ alloc", new = data.frame(alloc = c("alternate", "random", "systematic"))),
    list(dataset = "bcg", measure = "RR", formula = "~ alloc + ablat",
         new = data.frame(alloc = c("alternate", "random", "systematic"), ablat = c(20, 40, 50))),
    list(dataset = "bcg", measure = "RR", formula = "~ ablat * decade",
         new = data.frame(ablat = c(10, 33.5, 55), decade = c(-1.6, 0, 1.4))),
    list(dataset = "bcg", measure = "RR", formula = "~ 0 + alloc", new = data.frame(alloc = c("alternate", "random", "systematic"))),
    list(dataset = "bcg", measure = "OR", formula = "~ ablat", new = data.frame(ablat = c(10, 33.5, 55))),
    list(dataset = "bangertdrowns2004", measure = "GEN", formula = "~ length", new = data.frame(length = c(1, 8, 24))),
    list(dataset = "bangertdrowns2004", measure = "GEN", formula = "~ length + wic + feedback + info + pers + imag + meta",
         new = data.frame(length = c(1, 8, 24), wic = c(0, 1, 1), feedback = c(0, 1, 0), info = c(1, 0, 1), pers = c(0, 0, 1),
                          imag = c(0, 1, 0), meta = c(1, 0, 1))),
    list(dataset = "raudenbush1985", measure = "GEN", formula = "~ weeks", new = data.frame(weeks = c(0, 2, 10))),
    list(dataset = "konstantopoulos2011", measure = "GEN", formula = "~ year", new = data.frame(year = c(1976, 1990, 2000))),
    list(dataset = "mcdaniel1994", measure = "ZCOR", formula = "~ type + struct",
         new = data.frame(type = c("j", "p", "s"), struct = c("s", "s", "u"))),
    list(dataset = "molloy2014", measure = "ZCOR", formula = "~ meanage", new = data.frame(meanage = c(25, 40, 60))))

regression_methods <- c("FE", "DL", "PM", "REML", "ML", "EB", "HE", "SJ")

# R2 needs the fit without moderators, with its own tau2.
pseudo_r2 <- function(null, tau2) if (null == 0) 0 else 100 * max(0, (null - tau2) / null)

make_regressions <- function(datasets, effects) {
    out <- list()
    for (model in regression_models) {
        effect <- Filter(function(e) e$dataset == model$dataset && e$measure == model$measure, effects)[[1]]
        frame <- as.data.frame(datasets[[model$dataset]]$columns)
        frame$y <- unclass(effect$values$y)
        frame$v <- unclass(effect$values$v)
        formula <- as.formula(model$formula)
        frame <- frame[complete.cases(frame[, c("y", "v", all.vars(formula))]), ]
        X <- model.matrix(formula, frame)
        factors <- names(Filter(is.character, frame[all.vars(formula)]))
        levels <- lapply(frame[factors], function(x) sort(unique(x)))
        new_X <- model.matrix(formula, model$new, xlev = levels)
        has_intercept <- "(Intercept)" %in% colnames(X)
        for (method in regression_methods) for (test in c("z", "knha")) {
            fit <- fit_rma(frame$y, frame$v, method, test, X = X)
            values <- list(k = fit$k, coefficients = colnames(X), estimate = I(as.numeric(fit$beta)), se = I(fit$se),
                           statistic = I(fit$zval), df = if (test == "z") NA else fit$ddf, p_value = I(fit$pval),
                           ci_low = I(fit$ci.lb), ci_high = I(fit$ci.ub), tau2 = fit$tau2,
                           se_tau2 = if (method == "FE") NA else fit$se.tau2, i2 = fit$I2, h2 = fit$H2,
                           q_residual = fit$QE, q_residual_df = fit$k - fit$p, q_residual_p_value = fit$QEp,
                           q_moderators = fit$QM, q_moderators_df1 = fit$QMdf[1], q_moderators_df2 = fit$QMdf[2],
                           q_moderators_p_value = fit$QMp)
            if (has_intercept) {
                values$r2 <- if (method == "FE") fit$R2 else
                    pseudo_r2(fit_rma(frame$y, frame$v, method)$tau2, fit$tau2)
            }
            if (method == "REML") {
                qp <- q_profile(frame$y, frame$v, X, 95)
                values$tau2_q_profile_low <- qp$low
                values$tau2_q_profile_high <- qp$high
            }
            if (method %in% c("FE", "REML", "ML")) values <- c(values, likelihood_of(fit))
            if (method == "ML") {
                if (has_intercept) {
                    null <- fit_rma(frame$y, frame$v, "ML")
                    lrt <- max(0, 2 * (fit$fit.stats["ll", "ML"] - null$fit.stats["ll", "ML"]))
                    values$likelihood_ratio <- lrt
                    values$likelihood_ratio_df <- fit$p - 1
                    values$likelihood_ratio_p_value <- pchisq(lrt, fit$p - 1, lower.tail = FALSE)
                }
            }
            # Prediction by the definition: x'b, its variance x'Vx, and tau2 added for a new study.
            new_Z <- if (has_intercept) fit$new_orthogonal(new_X) else new_X
            centre <- as.numeric(new_Z %*% if (has_intercept) fit$beta_orthogonal else fit$beta)
            variance <- rowSums((new_Z %*% if (has_intercept) fit$vb_orthogonal else fit$vb) * new_Z)
            crit <- if (test == "z") qnorm(0.975) else qt(0.975, fit$ddf)
            values$predicted <- I(centre)
            values$predicted_se <- I(sqrt(variance))
            values$predicted_ci_low <- I(centre - crit * sqrt(variance))
            values$predicted_ci_high <- I(centre + crit * sqrt(variance))
            values$prediction_low <- I(centre - crit * sqrt(variance + fit$tau2))
            values$prediction_high <- I(centre + crit * sqrt(variance + fit$tau2))
            if (test == "z" && method %in% c("FE", "REML", "DL")) {
                values$covariance <- unname(fit$vb)
                root <- qr.Q(qr(X / sqrt(frame$v + fit$tau2)))
                values$hat <- I(rowSums(root^2))
                if (has_intercept && fit$p > 2) {
                    # Variance inflation: with metafor's names for the columns, the intercept left out.
                    correlation <- cov2cor(fit$vb[-1, -1])
                    values$vif <- I(as.numeric(diag(solve(correlation))))
                    terms <- attr(X, "assign")[-1]
                    sets <- split(seq_along(terms), terms)
                    values$gvif <- I(vapply(sets, function(set) {
                        others <- setdiff(seq_along(terms), set)
                        if (!length(others)) return(1)
                        det(correlation[set, set, drop = FALSE]) * det(correlation[others, others, drop = FALSE]) /
                            det(correlation)
                    }, 0, USE.NAMES = FALSE))
                    theirs <- vif(rma(frame$y, frame$v, mods = X[, -1], method = method, control = fit$control))
                    if (max(abs(theirs$vifs / values$vif - 1)) > 1e-8) stop("VIF disagrees")
                }
            }
            out[[length(out) + 1]] <- list(dataset = model$dataset, measure = model$measure, formula = model$formula,
                                           method = method, test = test,
                                           new = lapply(model$new, function(x) I(as.vector(x))), values = values)
        }
    }
    write_records(out, "regressions.json")
}
