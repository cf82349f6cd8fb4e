# Between-study variance to machine precision. metafor's own stopping rules are absolute (REML 1e-5, PM 1e-4), so the
# estimating equations are solved here, and metafor is given the solution.

# y'PPy, y'Py, trace P, trace PP and the restricted likelihood at one value of tau2, by a QR of the weighted design.
at_tau2 <- function(tau2, y, v, X) {
    w <- 1 / (v + tau2)
    q <- qr(sqrt(w) * X)
    residual <- qr.resid(q, sqrt(w) * y)
    basis <- qr.Q(q)
    leverage <- rowSums(basis^2)
    Py <- sqrt(w) * residual
    trP <- sum(w * (1 - leverage))
    cross <- crossprod(basis, w * basis)
    trPP <- sum(w^2) - 2 * sum(w^2 * leverage) + sum(cross^2)
    k <- length(y)
    p <- ncol(X)
    log_det <- 2 * sum(log(abs(diag(qr.R(q)))))
    list(w = w, yPy = sum(residual^2), yPPy = sum(Py^2), trP = trP, trPP = trPP,
         ll_ml = -k / 2 * log(2 * pi) - sum(log(v + tau2)) / 2 - sum(residual^2) / 2,
         ll_reml = -(k - p) / 2 * log(2 * pi) + as.numeric(determinant(crossprod(X))$modulus) / 2
             - sum(log(v + tau2)) / 2 - log_det / 2 - sum(residual^2) / 2)
}

# Left and right side of each iterative estimator's equation.
equation <- function(method, tau2, y, v, X) {
    a <- at_tau2(tau2, y, v, X)
    k <- length(y)
    p <- ncol(X)
    switch(method,
           REML = c(a$yPPy, a$trP),
           ML = c(a$yPPy, sum(a$w)),
           PM = ,
           EB = c(a$yPy, k - p),
           PMM = c(a$yPy, qchisq(0.5, k - p)),
           stop("no equation for ", method))
}

upper_bound <- function(y, v, X) {
    spread <- sum(qr.resid(qr(X), y)^2)
    4 * (spread + max(v))
}

root_between <- function(f, low, high) {
    uniroot(f, c(low, high), tol = .Machine$double.xmin, maxiter = 100000)$root
}

# Every problem is solved once and remembered.
solved <- new.env()
solved$problems <- list()
solved$solutions <- list()

solve_tau2 <- function(method, y, v, X = cbind(rep(1, length(y)))) {
    problem <- list(method, unname(y), unname(v), unname(c(X)))
    known <- Position(function(other) identical(other, problem), solved$problems, right = TRUE)
    if (!is.na(known)) return(solved$solutions[[known]])
    solution <- solve_tau2_once(method, y, v, X)
    solved$problems <- c(solved$problems, list(problem))
    solved$solutions <- c(solved$solutions, list(solution))
    solution
}

solve_tau2_once <- function(method, y, v, X) {
    gap <- function(tau2) {
        sides <- equation(method, tau2, y, v, X)
        sides[1] / sides[2] - 1
    }
    top <- upper_bound(y, v, X)
    if (method %in% c("PM", "EB", "PMM")) {
        if (gap(0) <= 0) return(list(tau2 = 0, residual = 0, maxima = 1L))
        while (gap(top) > 0) top <- top * 10
        root <- root_between(gap, 0, top)
        return(list(tau2 = root, residual = abs(gap(root)), maxima = 1L))
    }
    # Every local maximum of the likelihood: sign changes of the score from + to - on a fine grid, and 0.
    grid <- c(0, exp(seq(log(min(v) * 1e-6), log(top), length.out = 1000)))
    score <- vapply(grid, gap, 0)
    falls <- which(score[-length(score)] > 0 & score[-1] <= 0)
    candidates <- vapply(falls, function(i) root_between(gap, grid[i], grid[i + 1]), 0)
    if (score[1] <= 0) candidates <- c(0, candidates)
    name <- if (method == "ML") "ll_ml" else "ll_reml"
    height <- vapply(candidates, function(tau2) at_tau2(tau2, y, v, X)[[name]], 0)
    best <- candidates[which.max(height)]
    list(tau2 = best, residual = if (best == 0) 0 else abs(gap(best)), maxima = length(candidates))
}

iterative <- c("REML", "ML", "EB", "PM", "PMM")
largest_residual <- 0

# A design with the same first column, 1, and the rest orthogonal to it and each other: normal equations of moderators such
# as the year lose six digits. design = orthogonal %*% back.
orthogonal_design <- function(X) {
    Z <- cbind(intrcpt = 1, sqrt(nrow(X)) * qr.Q(qr(X))[, -1, drop = FALSE])
    list(Z = Z, back = qr.coef(qr(Z), X))
}

# The fit for the design as given, from that for the orthogonal one.
undo <- function(fit, X, back) {
    forth <- solve(back)
    dimnames(forth) <- NULL
    fit$vb_orthogonal <- unname(fit$vb)
    fit$new_orthogonal <- function(new_X) new_X %*% forth
    fit$beta_orthogonal <- unname(fit$beta)
    fit$beta <- fit$b <- matrix(forth %*% fit$beta, dimnames = list(colnames(X), "estimate"))
    fit$vb <- forth %*% unname(fit$vb) %*% t(forth)
    dimnames(fit$vb) <- list(colnames(X), colnames(X))
    # Standard errors from a root of the covariance matrix: its diagonal would cancel.
    root <- forth %*% t(chol(fit$vb_orthogonal))
    fit$se <- sqrt(rowSums(root^2))
    fit$zval <- as.numeric(fit$beta) / fit$se
    fit$X <- fit$X.f <- X
    z <- fit$test == "z"
    fit$pval <- if (z) 2 * pnorm(abs(fit$zval), lower.tail = FALSE) else 2 * pt(abs(fit$zval), fit$ddf, lower.tail = FALSE)
    crit <- if (z) qnorm(0.975) else qt(0.975, fit$ddf)
    fit$ci.lb <- as.numeric(fit$beta) - crit * fit$se
    fit$ci.ub <- as.numeric(fit$beta) + crit * fit$se
    fit
}

# metafor's fit with the tight value of tau2: the likelihood methods start at the solution and take no step
# (threshold = Inf), the bracketing ones run to the last bit.
fit_rma <- function(y, v, method, test = "z", X = NULL) {
    mods <- X
    if (is.null(X)) X <- cbind(rep(1, length(y)))
    control <- list()
    if (method %in% iterative) {
        solution <- solve_tau2(method, y, v, X)
        largest_residual <<- max(largest_residual, solution$residual)
        if (solution$residual > 1e-12) stop(method, " misses its equation by ", solution$residual)
        control <- if (method %in% c("PM", "PMM")) {
            list(tol = .Machine$double.xmin, maxiter = 100000, tau2.max = max(100, 10 * solution$tau2))
        } else {
            list(tau2.init = solution$tau2, threshold = Inf)
        }
    }
    arguments <- list(yi = y, vi = v, method = method, test = test, control = control)
    orthogonal <- NULL
    if (!is.null(mods)) {
        arguments$mods <- X
        arguments$intercept <- FALSE
        if (ncol(X) > 1 && all(X[, 1] == 1)) {
            orthogonal <- orthogonal_design(X)
            arguments$mods <- orthogonal$Z
        }
    }
    fit <- suppressWarnings(do.call(rma, arguments))
    if (!is.null(orthogonal)) fit <- undo(fit, X, orthogonal$back)
    if (method %in% iterative) {
        apart <- abs(fit$tau2 - solution$tau2)
        if (apart > 1e-12 * max(solution$tau2, 1 / mean(1 / v))) stop(method, ": metafor's tau2 is off by ", apart)
        fit$maxima <- solution$maxima
    }
    fit
}

# The general moment estimator with fixed weights a, not truncated.
moment_estimator <- function(y, v, a) {
    centre <- sum(a * y) / sum(a)
    q <- sum(a * (y - centre)^2)
    (q - (sum(a * v) - sum(a^2 * v) / sum(a))) / (sum(a) - sum(a^2) / sum(a))
}
