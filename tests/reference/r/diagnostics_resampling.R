# Permutations, subsets and the remaining diagnostics (diagnostics.json).

tight <- list(threshold = 1e-14, maxiter = 10000)

permutation_values <- function(fit, with_distribution) {
    test <- suppressWarnings(permutest(fit, exact = TRUE, progbar = FALSE))
    values <- list(p_value = I(as.numeric(test$pval)), q_moderators_p_value = if (fit$int.only) NA else test$QMp,
                   statistic = I(as.numeric(fit$zval)), arrangements = nrow(test$zval.perm))
    if (with_distribution) {
        values$sorted_statistics <- apply(as.matrix(test$zval.perm), 2, sort)
        values$sorted_estimates <- apply(as.matrix(test$beta.perm), 2, sort)
    }
    values
}

gosh_values <- function(fit) {
    found <- gosh(fit, progbar = FALSE)
    list(included = found$incl + 0, k = I(found$res$k), q = I(found$res$QE), i2 = I(found$res$I2), h2 = I(found$res$H2),
         tau2 = I(found$res$tau2), estimate = I(found$res$estimate))
}

# Baujat, Mahe, Pignon and Hill (2002), with tau2 and moderators as metafor has them.
baujat_values <- function(y, v, X, method, test) {
    fit <- fit_rma(y, v, method, test, X = X)
    rows <- lapply(seq_along(y), function(i) {
        del <- fit_rma(y[-i], v[-i], method, test, X = X[-i, , drop = FALSE])
        x <- X[i, , drop = FALSE]
        c((y[i] - x %*% fit$beta)^2 / (v[i] + fit$tau2), (x %*% (fit$beta - del$beta))^2 / (x %*% del$vb %*% t(x)))
    })
    table <- do.call(rbind, rows)
    if (method == "DL" && test == "z" && ncol(X) == 1) {
        pdf(NULL)
        theirs <- baujat(rma(y, v, method = "DL"))
        dev.off()
        agree(table[, 1], theirs$x, "baujat's x")
        agree(table[, 2], theirs$y, "baujat's y")
    }
    list(contribution = I(table[, 1]), influence = I(table[, 2]))
}

# Mean and variance of Fisher's noncentral hypergeometric distribution, term by term.
noncentral_moments <- function(m, n1, n2, log_odds) {
    j <- max(0, m - n2):min(n1, m)
    log_p <- lchoose(n1, j) + lchoose(n2, m - j) + j * log_odds
    p <- exp(log_p - max(log_p))
    p <- p / sum(p)
    mean <- sum(p * j)
    c(mean, sum(p * (j - mean)^2))
}

# Schwarzer, Antes and Schumacher (2007).
schwarzer_values <- function(d, continuity) {
    N <- d$n1 + d$n2
    log_odds <- log(sum(d$events1 * (d$n2 - d$events2) / N) / sum(d$events2 * (d$n1 - d$events1) / N))
    moments <- mapply(noncentral_moments, d$events1 + d$events2, d$n1, d$n2, log_odds)
    test <- suppressWarnings(cor.test((d$events1 - moments[1, ]) / sqrt(moments[2, ]), 1 / moments[2, ], method = "kendall",
                                      exact = FALSE, continuity = continuity))
    list(kendall_tau = as.numeric(test$estimate), statistic = as.numeric(test$statistic), p_value = test$p.value)
}

# Trim and fill about the common-effect centre, ties sharing their ranks; the filled studies pooled by `method`.
trim_about_common <- function(y, v, method, estimator) {
    slope <- coef(lm(y ~ sqrt(v), weights = 1 / v))[2]
    side <- if (slope < 0) "right" else "left"
    sign <- if (side == "right") -1 else 1
    index <- order(sign * y)
    ys <- (sign * y)[index]
    vs <- v[index]
    k <- length(y)
    k0 <- 0
    repeat {
        keep <- seq_len(k - k0)
        centre <- weighted.mean(ys[keep], 1 / vs[keep])
        ranks <- rank(abs(ys - centre)) * base::sign(ys - centre)
        estimate <- switch(estimator, L0 = (4 * sum(ranks[ranks > 0]) - k * (k + 1)) / (2 * k - 1),
                           R0 = k - max(-ranks[ranks < 0]) - 1)
        new <- max(0, round(estimate))
        if (new == k0) break
        k0 <- new
    }
    tail <- if (k0 > 0) (k - k0 + 1):k else integer(0)
    fit <- fit_rma(c(y, sign * (2 * centre - ys[tail])), c(v, vs[tail]), method)
    list(side = side, missing = k0, estimate = as.numeric(fit$beta), se = fit$se, tau2 = fit$tau2)
}

make_resampling <- function(datasets, effects) {
    out <- list()
    add <- function(...) out[[length(out) + 1]] <<- list(...)
    effect <- Filter(function(e) e$dataset == "bcg" && e$measure == "RR", effects)[[1]]
    y <- unclass(effect$values$y)
    v <- unclass(effect$values$v)
    ablat <- datasets$bcg$columns$ablat
    warm <- as.numeric(ablat < 40)
    for (method in c("FE", "DL", "PM", "REML", "ML")) for (test in c("z", "knha")) {
        control <- if (method %in% c("REML", "ML")) tight else if (method == "PM") list(tol = 1e-14, maxiter = 1e5) else list()
        rows <- 1:6
        fit <- rma(y[rows], v[rows], method = method, test = test, control = control)
        add(question = "permutation", method = method, test = test, design = "mean", rows = I(rows - 1),
            values = permutation_values(fit, TRUE))
        fit <- rma(y[rows], v[rows], mods = cbind(ablat[rows]), method = method, test = test, control = control)
        add(question = "permutation", method = method, test = test, design = "ablat", rows = I(rows - 1),
            X = cbind(1, ablat[rows]), values = permutation_values(fit, FALSE))
        rows <- 5:12
        X <- cbind(1, warm[rows], c(1, 0, 1, 0, 0, 1, 0, 0) * warm[rows])
        fit <- rma(y[rows], v[rows], mods = X[, -1], method = method, test = test, control = control)
        add(question = "permutation", method = method, test = test, design = "groups", rows = I(rows - 1), X = X,
            values = permutation_values(fit, FALSE))
    }
    for (method in c("FE", "DL", "REML")) {
        fit <- rma(y[1:6], v[1:6], method = method, control = if (method == "REML") tight else list())
        add(question = "gosh", method = method, rows = I(0:5), values = gosh_values(fit))
        for (test in c("z", "knha")) for (X in list(cbind(rep(1, 13)), cbind(1, ablat))) {
            design <- if (ncol(X) == 1) "mean" else "ablat"
            add(question = "baujat", method = method, test = test, design = design, X = X,
                values = baujat_values(y, v, X, method, test))
        }
    }
    for (X in list(cbind(rep(1, 13)), cbind(1, ablat))) {
        fit <- if (ncol(X) == 1) rma(y, v, method = "DL", test = "knha") else
            rma(y, v, mods = X[, -1], method = "DL", test = "knha")
        theirs <- influence(fit)
        add(question = "influence", method = "DL", test = "knha", design = if (ncol(X) == 1) "mean" else "ablat", X = X,
            values = list(rstudent = I(theirs$inf$rstudent), dffits = I(theirs$inf$dffits), cook_distance = I(theirs$inf$cook.d),
                          covariance_ratio = I(theirs$inf$cov.r), tau2_deleted = I(theirs$inf$tau2.del),
                          q_deleted = I(theirs$inf$QE.del), hat = I(theirs$inf$hat), weight = I(theirs$inf$weight),
                          dfbetas = do.call(cbind, unclass(theirs$dfbs)[seq_len(ncol(X))])))
    }
    d <- as.data.frame(datasets$normand1999$columns)
    smd <- compute_effects(datasets$normand1999$columns, "SMD")
    size <- 1 / d$n1 + 1 / d$n2
    add(question = "pustejovsky-rodgers", dataset = "normand1999", measure = "SMD",
        values = least_squares_test(smd$y, sqrt(size), 1 / size))
    for (name in c("bcg", "nielweise2007", "collins1985_deaths")) {
        d <- as.data.frame(datasets[[name]]$columns)[, c("events1", "n1", "events2", "n2")]
        for (method in c("DL", "REML")) for (test in c("z", "t")) {
            difference <- asin(sqrt(d$events1 / d$n1)) - asin(sqrt(d$events2 / d$n2))
            fit <- fit_rma(difference, 1 / (4 * d$n1) + 1 / (4 * d$n2), method, test,
                           X = cbind(1, sqrt(1 / (4 * d$n1) + 1 / (4 * d$n2))))
            add(question = "rucker", dataset = name, method = method, test = test,
                values = list(slope = fit$beta[2], slope_se = fit$se[2], statistic = fit$zval[2], p_value = fit$pval[2],
                              intercept = fit$beta[1], tau2 = fit$tau2))
        }
        d <- d[d$events1 + d$events2 > 0, ]
        for (continuity in c(FALSE, TRUE)) {
            add(question = "schwarzer", dataset = name, continuity = continuity, values = schwarzer_values(d, continuity))
        }
    }
    for (set in diagnostic_sets[1:4]) for (estimator in c("L0", "R0")) for (method in c("DL", "REML")) {
        effect <- Filter(function(e) e$dataset == set[1] && e$measure == set[2], effects)[[1]]
        add(question = "trim-and-fill", dataset = set[1], measure = set[2], estimator = estimator, method = method,
            values = trim_about_common(unclass(effect$values$y), unclass(effect$values$v), method, estimator))
    }
    write_records(out, "diagnostics.json")
}
