# Every measure and variance variant of escalc (escalc.json), its zero-cell options (continuity.json), and formulas that
# metafor 3.8 lacks or has otherwise, by name of the paper (formulas.json).

escalc_sets <- list(
    two_groups = c("bcg", "bourassa1996", "awkward_counts"), means = c("normand1999", "gibson2002", "awkward_means"),
    person_time = c("hart1999", "nielweise2008", "awkward_times"), correlation = c("cohen1981", "awkward_correlations"),
    one_proportion = c("pritz1997", "debruin2009", "awkward_proportions"), one_rate = c("nielweise2008_control", "awkward_rates"),
    one_mean = c("normand1999_arm1", "awkward_single"), reliability = c("bonett2010", "awkward_alphas"),
    pairs = c("bourassa1996_pairs", "awkward_pairs"), before_after = c("morris2008", "awkward_changes"),
    partial = c("aloe2013", "awkward_partial"))

# Variants of the variance; the rest have the default alone. SMDH's LS2 is left out: in 3.8 it depends on the unit.
variants <- list(RD = c("LS", "UB", "AV"), PHI = c("ST", "LS", "CS"), MD = c("LS", "HO"), SMD = c("LS", "LS2", "UB", "AV"),
                 SMD1 = c("LS", "LS2", "UB", "AV"), ROM = c("LS", "HO", "AV", "AVHO"), RPB = c("ST", "CS"),
                 COR = c("LS", "AV"), UCOR = c("LS", "UB", "AV"), PCOR = c("LS", "AV"), SPCOR = c("LS", "AV"),
                 PR = c("LS", "UB", "AV"), PLN = c("LS", "AV"), PLO = c("LS", "AV"), SMCC = c("LS", "LS2"), SMCR = c("LS", "LS2"))

escalc_measures <- c("RR", "OR", "RD", "PETO", "AS", "PHI", "YUQ", "YUY", "PBIT", "OR2D", "OR2DN", "OR2DL", "MPRD", "MPRR",
                     "MPOR", "MPORC", "MPPETO", "IRR", "IRD", "IRSD", "MD", "SMD", "SMDH", "SMD1", "SMD1H", "ROM", "CVR", "VR",
                     "RPB", "RBIS", "D2OR", "D2ORN", "D2ORL", "COR", "UCOR", "ZCOR", "PCOR", "ZPCOR", "SPCOR", "PR", "PLN",
                     "PLO", "PAS", "PFT", "IR", "IRLN", "IRS", "IRFT", "MN", "SMN", "MNLN", "CVLN", "SDLN", "MC", "SMCC",
                     "SMCR", "SMCRH", "ROMC", "CVRC", "VRC", "ARAW", "AHW", "ABT")

make_escalc <- function(sets) {
    out <- list()
    for (measure in escalc_measures) for (name in escalc_sets[[kind_of_measure(measure)]]) {
        if (measure %in% c("ROM", "CVR") && name == "awkward_means") name <- "positive_means"
        for (variant in if (is.null(variants[[measure]])) "LS" else variants[[measure]]) {
            options <- if (is.null(variants[[measure]])) list() else list(vtype = variant)
            effect <- do.call(compute_effects, c(list(sets[[name]], measure), options))
            out[[length(out) + 1]] <- list(dataset = name, measure = measure, options = as_object(options),
                                           values = lapply(effect, I))
        }
    }
    write_records(out, "escalc.json")
}

as_object <- function(options) if (length(options)) options else structure(list(), names = character(0))

zero_cell_options <- function() {
    out <- list()
    for (to in c("only0", "all", "if0all", "none")) for (drop00 in c(FALSE, TRUE)) {
        out[[length(out) + 1]] <- list(add = 0.5, to = to, drop00 = drop00)
    }
    for (to in c("only0", "all")) for (add in c(0.1, 0)) out[[length(out) + 1]] <- list(add = add, to = to, drop00 = FALSE)
    out
}

make_continuity <- function(sets) {
    out <- list()
    record <- function(name, measure, options) {
        effect <- do.call(compute_effects, c(list(sets[[name]], measure), options))
        out[[length(out) + 1]] <<- list(dataset = name, measure = measure, options = options, values = lapply(effect, I))
    }
    for (name in c("awkward_counts", "collins1985_deaths")) for (measure in c("RR", "OR", "RD", "PETO")) {
        for (options in zero_cell_options()) record(name, measure, options)
    }
    for (measure in c("AS", "PHI", "YUQ", "YUY", "PBIT", "OR2D")) for (options in zero_cell_options()[c(1, 2, 3, 7)]) {
        record("awkward_counts", measure, options)
    }
    # The event cells alone corrected (RR as (a + 0.5)/(n + 0.5)), and the variance corrected but not the estimate.
    for (name in c("awkward_counts", "collins1985_deaths")) {
        record(name, "RR", list(add = 0.5, to = "only0", onlyo1 = TRUE))
        record(name, "RD", list(add = 0.5, to = "only0", addyi = FALSE))
        record(name, "RD", list(add = 0.5, to = "only0", addvi = FALSE))
    }
    for (measure in c("IRR", "IRD", "IRSD")) for (options in zero_cell_options()) record("awkward_times", measure, options)
    for (measure in c("MPRD", "MPRR", "MPOR", "MPORC", "MPPETO")) for (options in zero_cell_options()[c(1, 3, 5, 7)]) {
        record("awkward_pairs", measure, options)
    }
    for (measure in c("PR", "PLN", "PLO", "PAS", "PFT")) for (options in zero_cell_options()[c(1, 3, 5, 7, 9)]) {
        record("awkward_proportions", measure, options[c("add", "to")])
    }
    for (measure in c("IR", "IRLN", "IRS", "IRFT")) for (options in zero_cell_options()[c(1, 3, 5, 7, 9)]) {
        record("awkward_rates", measure, options[c("add", "to")])
    }
    write_records(out, "continuity.json")
}

# P(X < h, Y < k) of the standard bivariate normal with correlation r (Plackett 1954), by composite quadrature.
bivariate_normal <- function(h, k, r) {
    edges <- seq(0, asin(r), length.out = 17)
    half <- diff(edges) / 2
    total <- 0
    for (i in seq_along(half)) {
        theta <- edges[i] + half[i] * (rule24$x + 1)
        total <- total + half[i] * sum(rule24$w * exp(-(h^2 + k^2 - 2 * h * k * sin(theta)) / (2 * cos(theta)^2)))
    }
    pnorm(h) * pnorm(k) + total / (2 * pi)
}

# Tetrachoric correlation of a table without zero cells and its large-sample variance by the delta method: the table is
# reproduced exactly by two thresholds and r.
tetrachoric <- function(a, b, c, d) {
    if (any(c(a, b, c, d) == 0)) return(c(NA, NA))
    n <- a + b + c + d
    h <- qnorm((a + b) / n)
    k <- qnorm((a + c) / n)
    r <- root_between(function(r) bivariate_normal(h, k, r) * n / a - 1, -0.9999999, 0.9999999)
    s <- sqrt(1 - r^2)
    A <- pnorm((k - r * h) / s)
    B <- pnorm((h - r * k) / s)
    density <- exp(-(h^2 - 2 * r * h * k + k^2) / (2 * s^2)) / (2 * pi * s)
    gradient <- c(1 - A - B, -A, -B, 0)
    p <- c(a, b, c, d) / n
    c(r, (sum(gradient^2 * p) - sum(gradient * p)^2) / (n * density^2))
}

make_formulas <- function(sets) {
    out <- list()
    add <- function(name, measure, variant, source, y, v) {
        y[!is.finite(y) | !is.finite(v)] <- NA
        out[[length(out) + 1]] <<- list(dataset = name, measure = measure, variant = variant, source = source,
                                        values = list(y = I(y), v = I(ifelse(is.na(y), NA, v))))
    }
    for (name in c("bcg", "bourassa1996", "awkward_counts")) {
        d <- sets[[name]]
        t <- mapply(function(a, n1, c, n2) tetrachoric(a, n1 - a, c, n2 - c), d$events1, d$n1, d$events2, d$n2)
        add(name, "RTET", "exact", "tables without zero cells; metafor's optimiser gives 3 to 4 digits", t[1, ], t[2, ])
    }
    for (name in c("normand1999", "gibson2002", "awkward_means")) {
        d <- as.data.frame(sets[[name]])
        with(d, {
            m <- n1 + n2 - 2
            N <- n1 + n2
            pooled <- sqrt(((n1 - 1) * sd1^2 + (n2 - 1) * sd2^2) / m)
            d0 <- (mean1 - mean2) / pooled
            J <- exact_correction(m)
            g <- J * d0
            A <- 1 / n1 + 1 / n2
            add(name, "SMD", "uncorrected", "Cohen's d, A + d^2/(2N)", d0, A + d0^2 / (2 * N))
            add(name, "SMD", "approximate", "J = 1 - 3/(4m - 1), A + g^2/(2N)", (1 - 3 / (4 * m - 1)) * d0,
                A + ((1 - 3 / (4 * m - 1)) * d0)^2 / (2 * N))
            gr <- (1 - 3 / (4 * N - 9)) * d0
            add(name, "SMD", "revman5", "RevMan 5: J = 1 - 3/(4N - 9), A + g^2/(2(N - 3.94))", gr, A + gr^2 / (2 * (N - 3.94)))
            df1 <- n1 - 1
            df2 <- n2 - 1
            s2 <- (sd1^2 + sd2^2) / 2
            dh <- (mean1 - mean2) / sqrt(s2)
            vh <- dh^2 * (sd1^4 / df1 + sd2^4 / df2) / (8 * s2^2) + (sd1^2 / df1 + sd2^2 / df2) / s2
            add(name, "SMDH", "bonett2008-uncorrected", "Bonett (2008)", dh, vh)
            add(name, "SMDH", "bonett2008-j2", "J d, J^2 times Bonett's (2008) variance at d", J * dh, J^2 * vh)
            h <- m / n1 + m / n2
            rpb <- d0 / sqrt(d0^2 + h)
            vst <- h^2 / (h + d0^2)^3 * (A + d0^2 / (2 * N))
            add(name, "ZPB", "atanh", "atanh(RPB), delta method on metafor's ST variance of RPB", atanh(rpb), vst / (1 - rpb^2)^2)
            p <- n1 / N
            q <- n2 / N
            f <- dnorm(qnorm(p))
            rb <- sqrt(p * q) / f * rpb
            a <- sqrt(f) / (p * q)^0.25
            inside <- abs(a * rb) < 1
            zb <- ifelse(inside, a / 2 * log((1 + a * ifelse(inside, rb, 0)) / (1 - a * ifelse(inside, rb, 0))), NA)
            add(name, "ZBIS", "jacobs2017", "Jacobs and Viechtbauer (2017), variance 1/(N - 1)", zb, 1 / (N - 1))
            z <- (mean1 - mean2) / sqrt(sd1^2 + sd2^2)
            add(name, "CLES", "mcgraw1992", "McGraw and Wong (1992): the probability alone; v is put at 0", pnorm(z), rep(0, length(z)))
        })
    }
    for (name in c("normand1999", "gibson2002", "positive_means")) {
        d <- as.data.frame(sets[[name]])
        with(d, {
            c1 <- sd1^2 / (n1 * mean1^2)
            c2 <- sd2^2 / (n2 * mean2^2)
            add(name, "ROM", "lajeunesse2015", "Lajeunesse (2015), delta-method bias correction",
                suppressWarnings(log(mean1 / mean2)) + (c1 - c2) / 2, c1 + c2 + (c1^2 + c2^2) / 2)
        })
    }
    for (name in c("aloe2013", "awkward_partial")) {
        d <- as.data.frame(sets[[name]])
        add(name, "R2", "olkin1995", "4 R2 (1 - R2)^2 / n, columns r2 and n", d$r2, 4 * d$r2 * (1 - d$r2)^2 / d$n)
        add(name, "ZR2", "olkin1995", "atanh of R, 1/n, columns r2 and n", atanh(sqrt(d$r2)), 1 / d$n)
    }
    write_records(out, "formulas.json")
}

write_escalc_datasets <- function(sets) write_object(lapply(sets, function(d) lapply(d, I)), "escalc_datasets.json")
