# Special functions that metafor evaluates with loss of digits, evaluated without; generate.R puts them in metafor's place.

# Hedges' correction for m degrees of freedom (an integer). Differences of log gamma lose digits as samples grow. Up to
# m = 100 by r(m + 2) = r(m) m / (m - 1) with r(m) = gamma(m/2)/gamma((m - 1)/2), then by the asymptotic series of
# gamma(x + 1/2)/gamma(x).
exact_correction <- function(mi) {
    vapply(as.numeric(mi), function(m) {
        if (is.na(m) || m <= 1) return(NA_real_)
        if (m <= 100) {
            ratio <- if (m %% 2 == 0) 1 / sqrt(pi) else sqrt(pi) / 2
            start <- if (m %% 2 == 0) 2 else 3
            for (i in seq_len((m - start) / 2)) ratio <- ratio * (start + 2 * (i - 1)) / (start + 2 * (i - 1) - 1)
            return(ratio / sqrt(m / 2))
        }
        x <- (m - 1) / 2
        sqrt(x / (m / 2)) * (1 - 1 / (8 * x) + 1 / (128 * x^2) + 5 / (1024 * x^3) - 21 / (32768 * x^4) -
            399 / (262144 * x^5) + 869 / (4194304 * x^6) + 39325 / (33554432 * x^7))
    }, 0)
}

# Gauss-Legendre nodes and weights on [-1, 1] from the Jacobi matrix (Golub and Welsch 1969).
gauss_legendre <- function(n) {
    i <- seq_len(n - 1)
    J <- matrix(0, n, n)
    J[cbind(i, i + 1)] <- J[cbind(i + 1, i)] <- i / sqrt(4 * i^2 - 1)
    e <- eigen(J, symmetric = TRUE)
    list(x = e$values, w = 2 * e$vectors[1, ]^2)
}

rule24 <- gauss_legendre(24)

# Integral over [0, 1] of a function that may vary quickly at either end.
integrate_unit <- function(f) {
    edges <- c(0, 2^-(60:1), 1 - 2^-(2:50), 1)
    half <- diff(edges) / 2
    sum(vapply(seq_along(half), function(i) half[i] * sum(rule24$w * f(edges[i] + half[i] * (rule24$x + 1))), 0))
}

# Gauss's hypergeometric function 2F1 for a = b = 1/2 and a = b = 1, the two that unbiased correlations need, by Euler's
# integral. GSL's values, which metafor takes, are wrong by up to 5e-4 (r = -0.04, n = 12).
exact_hypergeometric <- function(a, b, g, x) {
    k <- max(length(g), length(x))
    g <- rep(g, length.out = k)
    x <- rep(x, length.out = k)
    vapply(seq_len(k), function(i) {
        c <- g[i]
        z <- x[i]
        if (is.na(c) || is.na(z) || c <= a + b) return(NA_real_)
        if (a == 0.5) {
            value <- integrate_unit(function(t) {
                cosine <- sinpi((1 - t) / 2)
                cosine^(2 * c - 2) / sqrt(cosine^2 + (1 - z) * sinpi(t / 2)^2)
            }) * pi / 2
            # The constant is 2 gamma(c)/(sqrt(pi) gamma(c - 1/2)); with m = 2c the ratio is sqrt(m/2) times Hedges' correction.
            return(value * 2 / sqrt(pi) * sqrt(c) * exact_correction(2 * c))
        }
        integrate_unit(function(u) u^(2 * c - 3) / ((1 - z) + z * u^2)) * 2 * (c - 1)
    }, 0)
}
