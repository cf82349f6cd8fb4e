# Leave-one-out, cumulative, influence, residuals (influence.json) and small-study effects (asymmetry.json). Refits use the
# tight tau2; each computation here is held against metafor's own where tau2 has a closed form (DL).

diagnostic_sets <- list(c("bcg", "RR"), c("hackshaw1998", "GEN"), c("raudenbush1985", "GEN"), c("baskerville2012", "GEN"),
                        c("bcg_three", "RR"))

agree <- function(mine, theirs, what) {
    gap <- max(abs(mine - theirs) / pmax(abs(theirs), 1e-3), na.rm = TRUE)
    if (gap > 1e-9) stop(what, " disagrees with metafor by ", gap)
}

row_of <- function(fit) {
    alone <- fit$k == 1
    c(estimate = as.numeric(fit$beta), se = fit$se, statistic = fit$zval, p_value = fit$pval, ci_low = fit$ci.lb,
      ci_high = fit$ci.ub, q = if (alone) 0 else fit$QE, q_p_value = if (alone) 1 else fit$QEp, tau2 = fit$tau2,
      i2 = if (alone) 0 else fit$I2, h2 = if (alone) 1 else fit$H2)
}

columns_of <- function(rows) {
    table <- do.call(rbind, rows)
    lapply(setNames(colnames(table), colnames(table)), function(name) I(table[, name]))
}

leave_one_out <- function(y, v, method, test) {
    columns_of(lapply(seq_along(y), function(i) row_of(fit_rma(y[-i], v[-i], method, test))))
}

cumulative <- function(y, v, method) {
    rows <- lapply(seq_along(y), function(i) {
        if (i > 1) return(row_of(fit_rma(y[1:i], v[1:i], method)))
        row_of(rma(y[1], v[1], method = "FE"))
    })
    columns_of(rows)
}

influence_values <- function(y, v, X, method) {
    k <- length(y)
    p <- ncol(X)
    fit <- fit_rma(y, v, method, X = X)
    hat <- as.numeric(hatvalues(fit))
    out <- lapply(seq_len(k), function(i) {
        del <- fit_rma(y[-i], v[-i], method, X = X[-i, , drop = FALSE])
        x <- X[i, , drop = FALSE]
        change <- as.numeric(fit$beta - del$beta)
        left <- as.numeric(x %*% del$beta)
        residual <- y[i] - left
        se <- sqrt(v[i] + del$tau2 + as.numeric(x %*% del$vb %*% t(x)))
        refit <- solve(crossprod(X, X / (v + del$tau2)))
        list(values = c(rstudent_residual = residual, rstudent_se = se, rstudent = residual / se,
                        dffits = (as.numeric(X[i, ] %*% fit$beta) - left) / sqrt(hat[i] * (del$tau2 + v[i])),
                        cook_distance = as.numeric(t(change) %*% solve(fit$vb) %*% change),
                        covariance_ratio = det(del$vb) / det(fit$vb), tau2_deleted = del$tau2, q_deleted = del$QE),
             dfbetas = change / sqrt(diag(refit)))
    })
    values <- columns_of(lapply(out, function(o) o$values))
    values$hat <- I(hat)
    values$weight <- I(as.numeric(weights(fit)))
    values$dfbetas <- do.call(rbind, lapply(out, function(o) o$dfbetas))
    standard <- rstandard(fit)
    values$rstandard_residual <- I(standard$resid)
    values$rstandard_se <- I(standard$se)
    values$rstandard <- I(standard$z)
    if (method == "DL") {
        theirs <- influence(fit)
        for (pair in list(c("rstudent", "rstudent"), c("dffits", "dffits"), c("cook_distance", "cook.d"),
                          c("covariance_ratio", "cov.r"), c("tau2_deleted", "tau2.del"), c("q_deleted", "QE.del"))) {
            agree(values[[pair[1]]], theirs$inf[[pair[2]]], pair[1])
        }
        agree(values$dfbetas, do.call(cbind, unclass(theirs$dfbs)[seq_len(p)]), "dfbetas")
    }
    values$influential <- I(abs(values$dffits) > 3 * sqrt(p / (k - p)) | pchisq(values$cook_distance, p) > 0.5 |
                            hat > 3 * p / k | apply(abs(values$dfbetas) > 1, 1, any))
    values
}

# Best linear unbiased predictions of the studies' own effects.
blup_values <- function(fit) {
    b <- blup(fit)
    list(estimate = I(b$pred), se = I(b$se), low = I(b$pi.lb), high = I(b$pi.ub))
}

make_influence <- function(datasets, effects) {
    out <- list()
    add <- function(head, ...) out[[length(out) + 1]] <<- c(head, list(...))
    for (set in diagnostic_sets) {
        effect <- Filter(function(e) e$dataset == set[1] && e$measure == set[2], effects)[[1]]
        y <- unclass(effect$values$y)
        v <- unclass(effect$values$v)
        X <- cbind(rep(1, length(y)))
        head <- list(dataset = set[1], measure = set[2])
        for (method in c("FE", "DL", "REML")) {
            head$method <- method
            for (test in if (method == "REML") c("z", "knha") else "z") {
                rows <- leave_one_out(y, v, method, test)
                if (method == "DL") {
                    theirs <- leave1out(rma(y, v, method = "DL"))
                    for (pair in list(c("estimate", "estimate"), c("se", "se"), c("q", "Q"), c("tau2", "tau2"), c("i2", "I2"))) {
                        agree(rows[[pair[1]]], theirs[[pair[2]]], pair[1])
                    }
                }
                add(head, question = "leave-one-out", test = test, values = rows)
            }
            add(head, question = "cumulative", test = "z", order = I(seq_along(y) - 1), values = cumulative(y, v, method))
            if (set[1] == "bcg") {
                order <- order(datasets$bcg$columns$year)
                rows <- cumulative(y[order], v[order], method)
                if (method == "DL") {
                    theirs <- cumul(rma(y, v, method = "DL"), order = datasets$bcg$columns$year)
                    agree(rows$estimate, theirs$estimate, "cumulative")
                }
                add(head, question = "cumulative", test = "z", order = I(order - 1), values = rows)
            }
            if (length(y) > 3) {
                add(head, question = "influence", test = "z", values = influence_values(y, v, X, method))
                if (method != "FE") add(head, question = "blup", test = "z", values = blup_values(fit_rma(y, v, method)))
            }
            if (set[1] == "bcg") {
                design <- cbind(1, datasets$bcg$columns$ablat)
                add(c(head, formula = "~ ablat"), question = "influence", test = "z",
                    values = influence_values(y, v, design, method))
            }
        }
    }
    write_records(out, "influence.json")
}

# Trim and fill (Duval and Tweedie 2000). Ties of |residual| are broken by order.
trim_and_fill <- function(y, v, method, estimator, side) {
    if (is.null(side)) {
        slope <- fit_rma(y, v, method, X = cbind(1, sqrt(v)))$beta[2]
        side <- if (slope < 0) "right" else "left"
    }
    sign <- if (side == "right") -1 else 1
    index <- order(sign * y)
    ys <- (sign * y)[index]
    vs <- v[index]
    k <- length(y)
    k0 <- 0
    repeat {
        keep <- seq_len(k - k0)
        centre <- as.numeric(fit_rma(ys[keep], vs[keep], method)$beta)
        deviation <- ys - centre
        ranks <- rank(abs(deviation), ties.method = "first") * base::sign(deviation)
        rank_sum <- sum(ranks[ranks > 0])
        estimate <- switch(estimator,
                           L0 = (4 * rank_sum - k * (k + 1)) / (2 * k - 1),
                           R0 = k - max(-ranks[ranks < 0]) - 1,
                           Q0 = k - 1 / 2 - suppressWarnings(sqrt(2 * k^2 - 4 * rank_sum + 1 / 4)))
        if (is.na(estimate)) return(list(side = side, missing = NA))
        new <- max(0, round(estimate))
        if (new == k0) break
        k0 <- new
    }
    # The variance of L0 and Q0 is a polynomial in k0 that may turn negative; then there is no standard error.
    variance_of_sum <- (k * (k + 1) * (2 * k + 1) + 10 * estimate^3 + 27 * estimate^2 + 17 * estimate - 18 * k * estimate^2 -
                        18 * k * estimate + 6 * k^2 * estimate) / 24
    se <- switch(estimator, R0 = sqrt(2 * max(0, estimate) + 2), L0 = 4 * suppressWarnings(sqrt(variance_of_sum)) / (2 * k - 1),
                 Q0 = 2 * suppressWarnings(sqrt(variance_of_sum)) / sqrt((k - 1 / 2)^2 - estimate * (2 * k - estimate - 1)))
    tail <- if (k0 > 0) (k - k0 + 1):k else integer(0)
    filled_y <- sign * (2 * centre - ys[tail])
    filled_v <- vs[tail]
    fit <- fit_rma(c(y, filled_y), c(v, filled_v), method)
    list(side = side, missing = k0, missing_se = se,
         missing_p_value = if (estimator == "R0") 0.5^(k0 + 1) else NA,
         filled_y = I(filled_y), filled_v = I(filled_v), estimate = as.numeric(fit$beta), se = fit$se, ci_low = fit$ci.lb,
         ci_high = fit$ci.ub, p_value = fit$pval, tau2 = fit$tau2, q = fit$QE, i2 = fit$I2)
}

least_squares_test <- function(y, x, w) {
    fit <- summary(lm(y ~ x, weights = w))
    table <- coef(fit)
    df <- fit$df[2]
    list(intercept = table[1, 1], intercept_se = table[1, 2], slope = table[2, 1], slope_se = table[2, 2],
         statistic = table[2, 3], df = df, p_value = table[2, 4], limit_ci_low = table[1, 1] - qt(0.975, df) * table[1, 2],
         limit_ci_high = table[1, 1] + qt(0.975, df) * table[1, 2])
}

mixed_test <- function(y, v, x, method, test) {
    fit <- fit_rma(y, v, method, test, X = cbind(1, x))
    list(intercept = fit$beta[1], intercept_se = fit$se[1], slope = fit$beta[2], slope_se = fit$se[2], statistic = fit$zval[2],
         df = if (test == "z") NA else fit$ddf, p_value = fit$pval[2], limit_ci_low = fit$ci.lb[1],
         limit_ci_high = fit$ci.ub[1], tau2 = fit$tau2)
}

sample_sizes <- list(bcg = function(d) d$n1 + d$n2, raudenbush1985 = function(d) dat.raudenbush1985$n1i + dat.raudenbush1985$n2i)

# Begg and Mazumdar's (1994) rank correlation of standardised effects with their variances.
rank_test <- function(y, v, exact, continuity) {
    w <- 1 / v
    centre <- sum(w * y) / sum(w)
    standard <- (y - centre) / sqrt(v - 1 / sum(w))
    test <- suppressWarnings(cor.test(standard, v, method = "kendall", exact = exact, continuity = continuity))
    list(kendall_tau = as.numeric(test$estimate), statistic = as.numeric(test$statistic), p_value = test$p.value)
}

# Observed and expected numbers of significant studies (Ioannidis and Trikalinos 2007), two-sided 0.05; under the
# random-effects model the power is that of N(theta, v + tau2).
excess_significance <- function(y, v, theta, tau2) {
    crit <- qnorm(0.975)
    s <- sqrt(v + tau2)
    power <- pnorm((theta - crit * sqrt(v)) / s) + pnorm((-crit * sqrt(v) - theta) / s)
    observed <- sum(abs(y / sqrt(v)) >= crit)
    k <- length(y)
    expected <- sum(power)
    chi2 <- (observed - expected)^2 / (expected * (1 - expected / k))
    # Exact: the Poisson-binomial distribution by its recursion.
    mass <- 1
    for (p in power) mass <- c(mass * (1 - p), 0) + c(0, mass * p)
    list(power = I(power), observed = observed, expected = expected, chi2 = chi2,
         chi2_p_value = if (observed >= expected) pnorm(sqrt(chi2), lower.tail = FALSE) else pnorm(-sqrt(chi2), lower.tail = FALSE),
         binomial_p_value = pbinom(observed - 1, k, expected / k, lower.tail = FALSE), exact_p_value = sum(mass[(observed + 1):(k + 1)]))
}

make_asymmetry <- function(datasets, effects) {
    out <- list()
    add <- function(head, ...) out[[length(out) + 1]] <<- c(head, list(...))
    for (set in diagnostic_sets[1:4]) {
        effect <- Filter(function(e) e$dataset == set[1] && e$measure == set[2], effects)[[1]]
        y <- unclass(effect$values$y)
        v <- unclass(effect$values$v)
        head <- list(dataset = set[1], measure = set[2])
        n <- if (is.null(sample_sizes[[set[1]]])) NULL else sample_sizes[[set[1]]](datasets[[set[1]]]$columns)
        predictors <- list(se = sqrt(v), variance = v)
        if (!is.null(n)) predictors <- c(predictors, list(n = n, inverse_n = 1 / n, sqrt_n = sqrt(n), inverse_sqrt_n = 1 / sqrt(n)))
        for (predictor in names(predictors)) {
            x <- predictors[[predictor]]
            entry <- list(predictor = predictor)
            if (!is.null(n) && !(predictor %in% c("se", "variance"))) entry$sample_size <- I(n)
            add(c(head, list(question = "regression", model = "weighted-least-squares"), entry),
                values = least_squares_test(y, x, 1 / v))
            for (method in c("FE", "DL", "REML")) for (test in c("z", "knha")) {
                if (test == "knha" && method != "REML") next
                add(c(head, list(question = "regression", model = "mixed", method = method, test = test), entry),
                    values = mixed_test(y, v, x, method, test))
            }
        }
        agree(least_squares_test(y, sqrt(v), 1 / v)$statistic, regtest(y, v, model = "lm")$zval, "regtest")
        for (exact in c(TRUE, FALSE)) for (continuity in c(FALSE, TRUE)) {
            if (exact && continuity) next
            values <- rank_test(y, v, exact, continuity)
            if (exact) agree(values$p_value, suppressWarnings(ranktest(y, v))$pval, "ranktest")
            add(head, question = "rank", exact = exact, continuity = continuity, values = values)
        }
        for (method in c("FE", "DL", "REML")) for (estimator in c("L0", "R0", "Q0")) for (side in c(NA, "left", "right")) {
            values <- trim_and_fill(y, v, method, estimator, if (is.na(side)) NULL else side)
            if (method == "DL" && !is.na(values$missing)) {
                fit <- rma(y, v, method = "DL")
                theirs <- if (is.na(side)) trimfill(fit, estimator = estimator) else trimfill(fit, estimator = estimator, side = side)
                agree(c(values$missing, values$estimate, values$se),
                      c(theirs$k0, as.numeric(theirs$beta), theirs$se), "trim and fill")
                if (estimator == "R0") agree(values$missing_p_value, theirs$p.k0, "trim and fill's p-value")
                if (values$side != theirs$side) stop("sides differ")
            }
            add(head, question = "trim-and-fill", method = method, estimator = estimator, side = side, values = values)
        }
        for (type in c("Rosenthal", "Orwin", "Rosenberg")) for (weighted in if (type == "Orwin") c(FALSE, TRUE) else FALSE) {
            f <- fsn(y, v, type = type, weighted = weighted)
            add(head, question = "fail-safe-n", type = tolower(type), weighted = weighted,
                values = list(fail_safe_n = f$fsnum, p_value = f$pval, mean_effect = f$meanes, target = f$target))
        }
        add(head, question = "excess-significance", method = "FE",
            values = excess_significance(y, v, sum(y / v) / sum(1 / v), 0))
        reml <- fit_rma(y, v, "REML")
        add(head, question = "excess-significance", method = "REML",
            values = excess_significance(y, v, as.numeric(reml$beta), reml$tau2))
    }
    for (name in c("bcg", "nielweise2007", "collins1985_deaths")) {
        d <- as.data.frame(datasets[[name]]$columns)[, 1:4]
        y <- compute_effects(d, "OR")
        keep <- !is.na(y$y) & d$events1 + d$events2 > 0
        d <- d[keep, ]
        N <- d$n1 + d$n2
        m <- d$events1 + d$events2
        head <- list(dataset = name, measure = "OR", question = "regression", model = "weighted-least-squares",
                     note = "studies without events left out")
        Z <- d$events1 - m * d$n1 / N
        V <- d$n1 * d$n2 * m * (N - m) / (N^2 * (N - 1))
        add(head, test = "harbord", values = least_squares_test(Z / V, 1 / sqrt(V), V))
        add(head, test = "peters", values = least_squares_test(y$y[keep], 1 / N, m * (N - m) / N))
        add(head, test = "macaskill", values = least_squares_test(y$y[keep], N, m * (N - m) / N))
        ess <- 4 * d$n1 * d$n2 / N
        add(head, test = "deeks", values = least_squares_test(y$y[keep], 1 / sqrt(ess), ess))
    }
    write_records(out, "asymmetry.json")
}
