# Delete-one estimates and resamples of the studies, by plain loops (jackknife.json).

resampled_values <- function(y, v, method) {
    fit <- fit_rma(y, v, method)
    c(estimate = as.numeric(fit$beta), tau2 = fit$tau2, i2 = fit$I2)
}

jackknife_values <- function(deleted, whole) {
    n <- length(deleted)
    list(deleted = I(deleted), bias = (n - 1) * (mean(deleted) - whole),
         se = sqrt((n - 1) / n * sum((deleted - mean(deleted))^2)))
}

# Efron and Tibshirani (1993), chapters 13 and 14; replicates equal to the estimate count by half.
bootstrap_values <- function(replicates, whole, deleted, level) {
    tail <- (1 - level) / 2
    q <- quantile(replicates, c(tail, 1 - tail), type = 7, names = FALSE)
    z0 <- qnorm(mean((replicates < whole) + (replicates <= whole)) / 2)
    d <- mean(deleted) - deleted
    a <- sum(d^3) / (6 * sum(d^2)^1.5)
    z <- z0 + qnorm(c(tail, 1 - tail))
    share <- pnorm(z0 + z / (1 - a * z))
    list(level = level, bias = mean(replicates) - whole, se = sd(replicates), percentile = q, basic = 2 * whole - rev(q),
         bca = quantile(replicates, share, type = 7, names = FALSE))
}

make_jackknife <- function(effects) {
    out <- list()
    for (set in list(c("bcg", "RR"), c("normand1999", "SMD"))) for (method in c("FE", "DL", "PM", "REML")) {
        effect <- Filter(function(e) e$dataset == set[1] && e$measure == set[2], effects)[[1]]
        y <- unclass(effect$values$y)
        v <- unclass(effect$values$v)
        k <- length(y)
        whole <- resampled_values(y, v, method)
        deleted <- t(sapply(seq_len(k), function(i) resampled_values(y[-i], v[-i], method)))
        names <- if (method == "FE") c("estimate", "i2") else names(whole)
        values <- lapply(setNames(names, names), function(name) jackknife_values(deleted[, name], whole[[name]]))
        out[[length(out) + 1]] <- list(question = "jackknife", dataset = set[1], measure = set[2], method = method, values = values)
        if (method != "DL") next
        set.seed(1)
        draws <- matrix(sample(k, 199 * k, replace = TRUE) - 1, ncol = k, byrow = TRUE)
        found <- t(apply(draws + 1, 1, function(at) resampled_values(y[at], v[at], method)))
        values <- lapply(setNames(names, names), function(name)
            c(list(replicates = I(found[, name])), bootstrap_values(found[, name], whole[[name]], deleted[, name], 0.9)))
        out[[length(out) + 1]] <- list(question = "bootstrap", dataset = set[1], measure = set[2], method = method, draws = draws,
                                       values = values)
    }
    write_records(out, "jackknife.json")
}
