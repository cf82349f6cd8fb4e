# Mantel-Haenszel (mantel_haenszel.json) and Peto (peto.json).

# Variance of the Mantel-Haenszel risk difference by Greenland and Robins (1985): sum of
# [a b n2^3 + c d n1^3] / (n1 n2 N^2), over the square of the sum of n1 n2 / N.
greenland_robins_rd <- function(a, n1, c, n2) {
    N <- n1 + n2
    J <- sum((a * (n1 - a) * n2^3 + c * (n2 - c) * n1^3) / (n1 * n2 * N^2))
    J / sum(n1 * n2 / N)^2
}

wald_values <- function(estimate, se) {
    z <- qnorm(0.025, lower.tail = FALSE)
    list(estimate = estimate, se = se, statistic = estimate / se, p_value = 2 * pnorm(abs(estimate / se), lower.tail = FALSE),
         ci_low = estimate - z * se, ci_high = estimate + z * se)
}

common_values <- function(fit) {
    list(estimate = as.numeric(fit$beta), se = fit$se, statistic = fit$zval, p_value = fit$pval, ci_low = fit$ci.lb,
         ci_high = fit$ci.ub, k = fit$k, q = fit$QE, q_df = fit$k.yi - 1, q_p_value = fit$QEp, i2 = fit$I2, h2 = fit$H2,
         weights = I(tryCatch(as.numeric(weights(fit)), error = function(condition) numeric(0))))
}

mh_call <- function(columns, measure, ...) {
    translate <- escalc_names[[kind_of_measure(measure)]]
    inputs <- setNames(as.list(as.data.frame(columns)[names(translate)]), translate)
    suppressWarnings(do.call(rma.mh, c(list(measure = measure, ...), inputs)))
}

# Random effects as RevMan 5 and (by option) meta pool tables: DerSimonian and Laird's tau2 from Q about the
# Mantel-Haenszel estimate, then inverse variance. y, v are the studies' corrected effects.
mh_random <- function(y, v, centre) {
    w <- 1 / v
    q <- sum(w * (y - centre)^2)
    df <- length(y) - 1
    tau2 <- max(0, (q - df) / (sum(w) - sum(w^2) / sum(w)))
    w <- 1 / (v + tau2)
    c(list(tau2 = tau2, q = q, q_df = df, i2 = max(0, 100 * (q - df) / q)), wald_values(sum(w * y) / sum(w), sqrt(1 / sum(w))))
}

mh_sets <- list(bcg = c("RR", "OR", "RD"), nielweise2007 = c("RR", "OR", "RD"), collins1985_deaths = c("RR", "OR", "RD"),
                hine1989 = c("RR", "OR", "RD"), linde2005 = c("RR", "OR", "RD"), hahn2001 = c("RR", "OR", "RD"),
                yusuf1985_9 = c("RR", "OR", "RD"), li2007 = c("RR", "OR", "RD"), bcg_two = c("RR", "OR", "RD"),
                bcg_three = c("RR", "OR", "RD"), hart1999 = c("IRR", "IRD"), nielweise2008 = c("IRR", "IRD"))

# The pooled tables with and without zero-cell corrections; metafor's default corrects the studies' own effects but not the
# cells that are pooled.
mh_options <- list(
    default = list(add = c(0.5, 0), to = c("only0", "none"), drop00 = TRUE),
    keep_double_zero = list(add = c(0.5, 0), to = c("only0", "none"), drop00 = FALSE),
    correct_cells = list(add = c(0.5, 0.5), to = c("only0", "only0"), drop00 = TRUE),
    correct_cells_keep = list(add = c(0.5, 0.5), to = c("only0", "only0"), drop00 = FALSE))

mh_variance <- c(RR = "greenland-robins", OR = "robins-breslow-greenland", RD = "sato-greenland-robins",
                 IRR = "person-time", IRD = "person-time")

make_mantel_haenszel <- function(datasets) {
    out <- list()
    for (name in names(mh_sets)) for (measure in mh_sets[[name]]) for (option in names(mh_options)) {
        columns <- datasets[[name]]$columns
        fit <- do.call(mh_call, c(list(columns, measure), mh_options[[option]]))
        values <- common_values(fit)
        if (measure %in% c("OR", "IRR")) {
            continuity <- do.call(mh_call, c(list(columns, measure, correct = TRUE), mh_options[[option]]))
            plain <- do.call(mh_call, c(list(columns, measure, correct = FALSE), mh_options[[option]]))
            values <- c(values, list(cmh = plain$MH, cmh_p_value = plain$MHp, cmh_continuity = continuity$MH,
                                     cmh_continuity_p_value = continuity$MHp))
        }
        if (measure == "OR") {
            values <- c(values, list(cochran = plain$CO, cochran_p_value = plain$COp, breslow_day = plain$BD,
                                     breslow_day_p_value = plain$BDp, tarone = plain$TA, tarone_p_value = plain$TAp,
                                     breslow_day_df = plain$k.pos - 1))
        }
        out[[length(out) + 1]] <- list(dataset = name, measure = measure, option = option,
                                       variance = mh_variance[[measure]], values = values)
        if (measure == "RD" && option == "default") {
            e1 <- columns$events1; n1 <- columns$n1; e2 <- columns$events2; n2 <- columns$n2
            se <- sqrt(greenland_robins_rd(e1, n1, e2, n2))
            out[[length(out) + 1]] <- list(dataset = name, measure = measure, option = option, variance = "greenland-robins",
                                           values = wald_values(as.numeric(fit$beta), se))
        }
        if (measure %in% c("RR", "OR", "RD") && option == "default") {
            effect <- compute_effects(columns, measure, drop00 = TRUE)
            keep <- !is.na(effect$y)
            out[[length(out) + 1]] <- list(dataset = name, measure = measure, option = "random, q about mantel-haenszel",
                                           variance = "inverse-variance",
                                           values = mh_random(effect$y[keep], effect$v[keep], as.numeric(fit$beta)))
        }
    }
    write_records(out, "mantel_haenszel.json")
}

peto_sets <- c("yusuf1985_6", "yusuf1985_9", "yusuf1985_10", "yusuf1985_11", "yusuf1985_12a", "bcg", "nielweise2007",
               "collins1985_deaths", "hahn2001", "hine1989", "bcg_two")

# The studies' own O - E, V and one-step log odds ratios, uncorrected: nothing about a study without events.
peto_studies <- function(columns) {
    a <- columns$events1; n1 <- columns$n1; c <- columns$events2; n2 <- columns$n2
    N <- n1 + n2
    m <- a + c
    list(o_minus_e = I(a - n1 * m / N), variance = I(n1 * n2 * m * (N - m) / (N^2 * (N - 1))))
}

make_peto <- function(datasets) {
    out <- list()
    for (name in peto_sets) for (drop00 in c(TRUE, FALSE)) {
        columns <- datasets[[name]]$columns
        translate <- escalc_names$two_groups
        inputs <- setNames(as.list(as.data.frame(columns)[names(translate)]), translate)
        fit <- suppressWarnings(do.call(rma.peto, c(list(drop00 = drop00), inputs)))
        values <- common_values(fit)
        if (drop00) values <- c(values, peto_studies(columns))
        out[[length(out) + 1]] <- list(dataset = name, measure = "PETO", drop00 = drop00, values = values)
    }
    write_records(out, "peto.json")
}
