# Generalised linear mixed models (glmm.json). Needs lme4; the exact conditional likelihood of odds ratios needs numDeriv and
# BiasedUrn as well. glmer's own optimum is good to four digits, so that its deviance is minimised again here, from there.

glmm_sets <- list(
    list(dataset = "nielweise2007", measure = "OR"), list(dataset = "collins1985_bleeding", measure = "OR"),
    list(dataset = "bcg", measure = "OR"), list(dataset = "hine1989", measure = "OR"), list(dataset = "li2007", measure = "OR"),
    list(dataset = "nielweise2008", measure = "IRR"), list(dataset = "hart1999", measure = "IRR"),
    list(dataset = "pritz1997", measure = "PLO"), list(dataset = "nielweise2007", measure = "PLO", arm = "1"),
    list(dataset = "nielweise2007", measure = "PLO", arm = "2"), list(dataset = "nielweise2008", measure = "IRLN", arm = "1"),
    list(dataset = "nielweise2008", measure = "IRLN", arm = "2"))
glmm_exact_sets <- c("nielweise2007", "collins1985_bleeding", "hine1989")
glmm_points <- 25

glmm_models <- list(OR = c("fixed-study", "random-study", "conditional-exact", "conditional-approximate"),
                    IRR = c("fixed-study", "random-study", "conditional-exact"), PLO = "one-group", IRLN = "one-group")
glmm_keys <- c("fixed-study" = "UM.FS", "random-study" = "UM.RS", "conditional-exact" = "CM.EL",
               "conditional-approximate" = "CM.AL", "one-group" = "UM.FS")

glmm_metafor <- function(columns, measure, model, method, arm = NULL) {
    pick <- function(name) columns[[if (is.null(arm)) name else paste0(name, arm)]]
    data <- switch(measure,
        OR = list(ai = columns$events1, n1i = columns$n1, ci = columns$events2, n2i = columns$n2),
        IRR = list(x1i = columns$events1, t1i = columns$time1, x2i = columns$events2, t2i = columns$time2),
        PLO = list(xi = pick("events"), ni = pick("n")), IRLN = list(xi = pick("events"), ti = pick("time")))
    points <- if (model == "random-study" && method == "ML") 1 else glmm_points
    control <- list(glmCtrl = list(epsilon = 1e-14, maxit = 100))
    # Only the exact likelihood of odds ratios is integrated by `integrate`, whose own tolerance is coarse.
    if (measure == "OR" && model == "conditional-exact") control$intCtrl <- list(rel.tol = 1e-10, subdivisions = 1000)
    suppressWarnings(do.call(rma.glmm, c(data, list(measure = measure, model = glmm_keys[[model]], method = method,
        nAGQ = points, control = control))))
}

# The deviance of lme4's model at its least, by a gradient method from glmer's own optimum.
glmm_tight <- function(formula, data, family, points) {
    # Large studies stop lme4's inner iterations short of the strictest tolerance: the strictest that works is taken.
    for (tolerance in 10^-(13:7)) {
        control <- lme4::glmerControl(optimizer = "bobyqa", tolPwrss = tolerance, optCtrl = list(maxfun = 1e6))
        best <- tryCatch({
            fit <- suppressWarnings(lme4::glmer(formula, data = data, family = family, nAGQ = points, control = control))
            deviance <- suppressWarnings(update(fit, devFunOnly = TRUE))
            theta <- lme4::getME(fit, "theta")
            start <- c(theta, lme4::fixef(fit))
            low <- rep(c(0, -Inf), c(length(theta), length(start) - length(theta)))
            found <- nlminb(start, deviance, lower = low,
                            control = list(rel.tol = 1e-15, x.tol = 1e-12, eval.max = 1e5, iter.max = 1e5))
            list(theta = found$par[seq_along(theta)], fixed = found$par[-seq_along(theta)], deviance = found$objective,
                 tolerance = tolerance)
        }, error = function(condition) NULL)
        if (!is.null(best)) return(best)
    }
    NULL
}

glmm_long <- function(columns, measure) {
    size <- if (measure == "OR") c("n1", "n2") else c("time1", "time2")
    keep <- columns$events1 + columns$events2 > 0
    k <- sum(keep)
    long <- data.frame(x = c(columns$events1[keep], columns$events2[keep]), n = c(columns[[size[1]]][keep], columns[[size[2]]][keep]),
                       g = rep(c(0.5, -0.5), each = k), study = factor(rep(seq_len(k), 2)))
    long$y <- long$n - long$x
    long
}

glmm_tight_values <- function(columns, measure, model, arm = NULL, common = FALSE) {
    rates <- measure %in% c("IRR", "IRLN")
    family <- if (rates) poisson else binomial
    if (model == "one-group") {
        pick <- function(name) columns[[if (is.null(arm)) name else paste0(name, arm)]]
        d <- data.frame(x = pick("events"), n = pick(if (rates) "time" else "n"))
        d$study <- factor(seq_len(nrow(d)))
        formula <- if (rates) x ~ 1 + offset(log(n)) + (1 | study) else cbind(x, n - x) ~ 1 + (1 | study)
        fit <- glmm_tight(formula, d, family, glmm_points)
        return(list(estimate = unname(fit$fixed[1]), tau2 = unname(fit$theta[1]^2), tolerance = fit$tolerance))
    }
    long <- glmm_long(columns, measure)
    if (model %in% c("conditional-approximate", "conditional-exact")) {
        k <- nrow(long) / 2
        d <- data.frame(x = long$x[1:k], y = long$x[-(1:k)], off = log(long$n[1:k]) - log(long$n[-(1:k)]), study = long$study[1:k])
        fit <- glmm_tight(cbind(x, y) ~ 1 + offset(off) + (1 | study), d, binomial, glmm_points)
        return(list(estimate = unname(fit$fixed[1]), tau2 = unname(fit$theta[1]^2), tolerance = fit$tolerance))
    }
    left <- if (rates) "x" else "cbind(x, y)"
    right <- if (model == "fixed-study") "0 + study + g + (0 + g | study)" else "1 + g + (1 | study) + (0 + g | study)"
    if (rates) right <- paste(right, "+ offset(log(n))")
    if (model == "fixed-study") {
        fit <- glmm_tight(as.formula(paste(left, "~", right)), long, family, glmm_points)
        return(list(estimate = unname(fit$fixed[length(fit$fixed)]), tau2 = unname(fit$theta[1]^2), tolerance = fit$tolerance))
    }
    if (common) {
        fit <- glmm_tight(as.formula(paste(left, "~ 1 + g + (1 | study)", if (rates) "+ offset(log(n))")), long, family, glmm_points)
        return(list(estimate = unname(fit$fixed[2]), sigma2 = unname(fit$theta[1]^2)))
    }
    # Two random effects: lme4 offers Laplace's approximation alone, a rule of one point.
    fit <- glmm_tight(as.formula(paste(left, "~", right)), long, family, 1)
    list(laplace_effect = unname(fit$fixed[2]), laplace_level = unname(fit$fixed[1]), laplace_tau2 = unname(fit$theta[2]^2),
         laplace_sigma2 = unname(fit$theta[1]^2), laplace_log_likelihood = -fit$deviance / 2)
}

glmm_heterogeneity <- function(fit) list(k = fit$k, likelihood_ratio = fit$QE.LRT, likelihood_ratio_p_value = fit$QEp.LRT,
    wald = fit$QE.Wld, wald_p_value = fit$QEp.Wld, df = fit$QE.df)

make_glmm <- function(datasets) {
    out <- list()
    for (set in glmm_sets) for (model in glmm_models[[set$measure]]) {
        columns <- as.data.frame(datasets[[set$dataset]]$columns)
        exact <- set$measure == "OR" && model == "conditional-exact"
        if (exact && !(set$dataset %in% glmm_exact_sets)) next
        message("glmm: ", set$dataset, " ", set$measure, " ", model)
        attempt <- function(value) tryCatch(value, error = function(condition) NULL)
        common <- attempt(glmm_metafor(columns, set$measure, model, "EE", set$arm))
        values <- list(common = NULL, random = NULL, i2 = NULL)
        if (!is.null(common)) {
            values$common <- c(list(estimate = as.numeric(common$beta), se = common$se), glmm_heterogeneity(common))
            tight <- if (model == "random-study") attempt(glmm_tight_values(columns, set$measure, model, common = TRUE))
            if (!is.null(tight)) values$common[c("estimate", "sigma2")] <- tight
            if (model != "random-study") values$common$log_likelihood <- common$fit.stats[1, 1]
        }
        if (exact) {
            fit <- attempt(glmm_metafor(columns, set$measure, model, "ML", set$arm))
            if (!is.null(fit)) values$random <- list(estimate = as.numeric(fit$beta), se = fit$se, tau2 = fit$tau2,
                                                     log_likelihood = fit$fit.stats[1, 1])
        } else {
            values$random <- attempt(glmm_tight_values(columns, set$measure, model, set$arm))
            fit <- attempt(glmm_metafor(columns, set$measure, model, "ML", set$arm))
        }
        # I2 with the tau2 that it was made from: the typical variance, whatever the precision of tau2.
        if (!is.null(fit)) values$i2 <- list(tau2 = fit$tau2, i2 = fit$I2, h2 = fit$H2)
        out[[length(out) + 1]] <- c(list(dataset = set$dataset, measure = set$measure, arm = set$arm, model = model), values)
    }
    write_records(out, "glmm.json")
}
