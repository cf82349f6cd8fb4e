# Intervals of tau2, tau, I2 and H2, and of the mean by its profile likelihood.

levels <- c(90, 95, 99)

expand_interval <- function(low, high, typical) {
    list(tau2_low = low, tau2_high = high, tau_low = sqrt(low), tau_high = sqrt(high),
         i2_low = 100 * low / (typical + low), i2_high = 100 * high / (typical + high),
         h2_low = low / typical + 1, h2_high = high / typical + 1)
}

# Tau2 at which a decreasing function of tau2 falls to zero, 0 where it starts below.
crossing <- function(f, top) {
    if (f(0) <= 0) return(0)
    while (f(top) > 0) top <- top * 10
    root_between(f, 0, top)
}

# Q-profile (Viechtbauer 2007): Q(tau2) equal to the chi-squared quantiles with k - p degrees of freedom.
q_profile <- function(y, v, X, level) {
    df <- length(y) - ncol(X)
    tail <- (1 - level / 100) / 2
    q <- function(tau2) at_tau2(tau2, y, v, X)$yPy
    top <- upper_bound(y, v, X)
    upper_quantile <- qchisq(tail, df, lower.tail = FALSE)
    lower_quantile <- qchisq(tail, df)
    list(low = crossing(function(tau2) q(tau2) / upper_quantile - 1, top),
         high = crossing(function(tau2) q(tau2) / lower_quantile - 1, top),
         empty = q(0) < lower_quantile)
}

# Profile likelihood of tau2: the log likelihood falls by half a chi-squared quantile with 1 degree of freedom.
likelihood_interval <- function(y, v, X, method, tau2, level) {
    name <- if (method == "ML") "ll_ml" else "ll_reml"
    best <- at_tau2(tau2, y, v, X)[[name]]
    drop <- qchisq(level / 100, 1) / 2
    f <- function(t) best - at_tau2(t, y, v, X)[[name]] - drop
    top <- max(10 * tau2, upper_bound(y, v, X))
    while (f(top) < 0) top <- top * 10
    list(low = if (f(0) <= 0) 0 else root_between(f, 0, tau2), high = root_between(f, tau2, top))
}

# Distribution function of a weighted sum of chi-squared variables with 1 degree of freedom each: by Ruben's series with
# positive terms (Ruben 1962; Farebrother 1984), or by Imhof's (1961) integral where its tail is short.
ruben_cdf <- function(q, lambda) {
    beta <- min(lambda)
    r <- 1 - beta / lambda
    n <- length(lambda)
    a <- exp(0.5 * sum(log(beta / lambda)))
    if (a < 1e-280) stop("Ruben's series underflows")
    total <- a * pchisq(q / beta, n)
    mass <- a
    powers <- rep(1, n)
    g <- numeric(0)
    m <- 0
    repeat {
        m <- m + 1
        powers <- powers * r
        g[m] <- sum(powers) / 2
        a[m + 1] <- sum(g[m:1] * a[1:m]) / m
        tail <- pchisq(q / beta, n + 2 * m)
        total <- total + a[m + 1] * tail
        mass <- mass + a[m + 1]
        if (max(0, 1 - mass) * tail < 1e-16) return(total)
        if (m > 5000) stop("Ruben's series does not converge")
    }
}

imhof_reach <- function(lambda) {
    half <- length(lambda) / 2
    exp((log(1e17 / (pi * half)) - sum(log(lambda)) / 2) / half)
}

imhof_cdf <- function(q, lambda) {
    lambda <- lambda / q
    reach <- imhof_reach(lambda)
    if (reach > 40000) stop("Imhof's integral is too long")
    # Panels grow from a fraction of the fastest scale to the period of the oscillation.
    width <- 0.05 / max(lambda)
    edges <- 0
    while (tail(edges, 1) < reach) {
        edges <- c(edges, tail(edges, 1) + width)
        width <- min(width * 1.3, 4)
    }
    half <- diff(edges) / 2
    u <- c(outer(rule24$x + 1, half) + rep(edges[-length(edges)], each = 24))
    weight <- c(outer(rule24$w, half))
    angle <- rowSums(atan(outer(u, lambda))) / 2 - u / 2
    density <- exp(-rowSums(log1p(outer(u, lambda)^2)) / 4)
    0.5 - sum(weight * sin(angle) / u * density) / pi
}

weighted_chi2_cdf <- function(q, lambda) {
    if (imhof_reach(lambda / q) < 2000) imhof_cdf(q, lambda) else ruben_cdf(q, lambda)
}

# Interval of tau2 by the exact distribution of the generalised Q with fixed weights a (Jackson 2013).
generalised_q <- function(y, v, a, level) {
    k <- length(y)
    P <- diag(a) - tcrossprod(a) / sum(a)
    centre <- sum(a * y) / sum(a)
    q <- sum(a * (y - centre)^2)
    tail <- (1 - level / 100) / 2
    cdf <- function(tau2) {
        s <- sqrt(v + tau2)
        lambda <- eigen(P * tcrossprod(s), symmetric = TRUE, only.values = TRUE)$values[-k]
        weighted_chi2_cdf(q, lambda)
    }
    top <- upper_bound(y, v, cbind(rep(1, k)))
    # The distribution function falls as tau2 grows: the lower limit has 1 - tail below the observed q.
    list(low = crossing(function(tau2) cdf(tau2) - (1 - tail), top), high = crossing(function(tau2) cdf(tau2) - tail, top))
}

# Profile likelihood interval of the mean (Hardy and Thompson 1996), tau2 maximised at each value of the mean.
mean_likelihood_interval <- function(y, v, level) {
    k <- length(y)
    ml <- solve_tau2("ML", y, v)
    w <- 1 / (v + ml$tau2)
    centre <- sum(w * y) / sum(w)
    profile <- function(mu) {
        d2 <- (y - mu)^2
        score <- function(t) sum((d2 - v - t) / (v + t)^2) * (mean(v) + t)
        grid <- c(0, exp(seq(log(min(v) * 1e-6), log(4 * (sum(d2) + max(v))), length.out = 400)))
        s <- vapply(grid, score, 0)
        falls <- which(s[-length(s)] > 0 & s[-1] <= 0)
        candidates <- vapply(falls, function(i) root_between(score, grid[i], grid[i + 1]), 0)
        if (s[1] <= 0) candidates <- c(0, candidates)
        max(vapply(candidates, function(t) -sum(log(v + t)) / 2 - sum(d2 / (v + t)) / 2, 0))
    }
    best <- profile(centre)
    f <- function(mu) best - profile(mu) - qchisq(level / 100, 1) / 2
    step <- 4 / sqrt(sum(w))
    reach <- function(sign) {
        far <- step
        while (f(centre + sign * far) < 0) far <- far * 2
        root_between(f, min(centre, centre + sign * far), max(centre, centre + sign * far))
    }
    list(estimate = centre, ci_low = reach(-1), ci_high = reach(1))
}

# Kenward and Roger's (1997) adjusted variance and degrees of freedom of the mean under REML, by the general
# matrix formulae with V = diag(v) + tau2 I, expected information.
kenward_roger <- function(y, v, tau2) {
    k <- length(y)
    X <- cbind(rep(1, k))
    S <- diag(1 / (v + tau2))
    Phi <- solve(t(X) %*% S %*% X)
    P1 <- -t(X) %*% S %*% S %*% X
    Q1 <- t(X) %*% S %*% S %*% S %*% X
    information <- 0.5 * (sum(diag(S %*% S)) - sum(diag(2 * Phi %*% Q1 - Phi %*% P1 %*% Phi %*% P1)))
    W <- 1 / information
    Lambda <- Phi %*% (W * (Q1 - P1 %*% Phi %*% P1)) %*% Phi
    adjusted <- as.numeric(Phi + 2 * Lambda)
    # One contrast (l = 1): the scale factor is 1 and the degrees of freedom are 2 E^2 / V of the Wald statistic.
    Theta <- 1 / as.numeric(Phi)
    A1 <- W * (Theta * as.numeric(Phi %*% P1 %*% Phi))^2
    df <- 2 / A1
    beta <- as.numeric(Phi %*% t(X) %*% S %*% y)
    se <- sqrt(adjusted)
    # Kenward and Roger put the unadjusted variance into the degrees of freedom; the meta package the adjusted one.
    df_meta <- 2 * information / (adjusted * -as.numeric(P1))^2
    list(estimate = beta, se = se, df = df, statistic = beta / se, p_value = 2 * pt(abs(beta / se), df, lower.tail = FALSE),
         ci_low = beta - qt(0.975, df) * se, ci_high = beta + qt(0.975, df) * se, tau2 = tau2,
         df_adjusted_variance = df_meta, p_value_adjusted_variance = 2 * pt(abs(beta / se), df_meta, lower.tail = FALSE),
         ci_low_adjusted_variance = beta - qt(0.975, df_meta) * se,
         ci_high_adjusted_variance = beta + qt(0.975, df_meta) * se)
}

narrow <- function(values) values[c("tau2_low", "tau2_high")]

make_intervals <- function(datasets, effects) {
    out <- list()
    add <- function(head, method, interval, level, values, weights = NULL) {
        head$method <- method
        head$moment_weights <- weights
        out[[length(out) + 1]] <<- c(head, list(interval = interval, level = level / 100, values = values))
    }
    for (effect in effects) {
        keep <- !is.na(effect$values$y) & !is.na(effect$values$v)
        y <- unclass(effect$values$y)[keep]
        v <- unclass(effect$values$v)[keep]
        k <- length(y)
        X <- cbind(rep(1, k))
        first <- effect$measure == datasets[[effect$dataset]]$measures[1]
        head <- list(dataset = effect$dataset, measure = effect$measure)
        reml <- fit_rma(y, v, "REML")
        add(head, "REML", "mean-kenward-roger", 95, kenward_roger(y, v, reml$tau2))
        for (level in if (first) levels else 95) {
            qp <- q_profile(y, v, X, level)
            theirs <- confint(reml, type = "QP", level = level, control = list(tol = .Machine$double.xmin, maxiter = 100000,
                              tau2.max = max(100, qp$high * 10)))$random
            gap <- max(abs(theirs["tau^2", c("ci.lb", "ci.ub")] - c(qp$low, qp$high)))
            if (gap > 1e-11 * max(qp$high, reml$vt)) stop("Q-profile disagrees with metafor by ", gap)
            values <- expand_interval(qp$low, qp$high, reml$vt)
            values$empty <- qp$empty
            add(head, NULL, "q-profile", level, values)
        }
        for (method in c("REML", "ML")) for (level in if (first) levels else 95) {
            fit <- fit_rma(y, v, method)
            # Where the likelihood has several maxima the set within reach of the best need not be an interval.
            if (fit$maxima == 1) {
                pl <- likelihood_interval(y, v, X, method, fit$tau2, level)
                add(head, method, "profile-likelihood", level, narrow(expand_interval(pl$low, pl$high, fit$vt)))
            }
        }
        if (!first) next
        for (method in c("REML", "ML", "DL", "PM", "SJ", "HE")) {
            fit <- fit_rma(y, v, method)
            if (fit$tau2 > 0) for (type in c("Wald", "Wald.log", "Wald.sqrt")) {
                wald <- confint(fit, type = type)$random["tau^2", ]
                add(head, method, tolower(sub("\\.", "-", type)), 95,
                    list(tau2_low = wald[["ci.lb"]], tau2_high = wald[["ci.ub"]]))
            }
        }
        if (k <= 60) for (name in c("1/v", "1/sqrt(v)", "1")) {
            a <- switch(name, "1/v" = 1 / v, "1/sqrt(v)" = 1 / sqrt(v), "1" = rep(1, k))
            gq <- tryCatch(generalised_q(y, v, a, 95), error = function(condition) NULL)
            add(head, "GENQ", "generalised-q", 95, list(tau2_low = gq$low, tau2_high = gq$high), name)
        }
        for (level in levels) add(head, "ML", "mean-profile-likelihood", level, mean_likelihood_interval(y, v, level))
    }
    write_records(out, "intervals.json")
}
