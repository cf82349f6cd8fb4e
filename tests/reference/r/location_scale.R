# Location-scale models (location_scale.json). Needs Debian's r-cran-numderiv, which metafor asks for its Hessian.
#
# metafor's optimisers stop where the log-likelihood no longer changes in its 10th digit, some in quite another place. So the
# scale coefficients are polished here by Newton's method on the score, k x k matrices and all, and metafor is then given them,
# from which it computes the location part. metafor takes the standard errors of the scale coefficients from a numerical Hessian,
# right to 8 digits at best and 4 at worst (a year as moderator); those given here come from the second derivatives, and metafor's
# stand beside them. Models whose likelihood is highest where some tau2 is 0 are left out: metafor has no answer there.

location_scale_models <- list(
    list(dataset = "bcg", measure = "RR", formula = "~ ablat", scale = "~ ablat", link = "log"),
    list(dataset = "bcg", measure = "RR", formula = "~ ablat", scale = "~ year", link = "log"),
    list(dataset = "bcg", measure = "RR", formula = "~ 1", scale = "~ alloc", link = "log"),
    list(dataset = "bcg", measure = "RR", formula = "~ 1", scale = "~ alloc", link = "identity"),
    list(dataset = "bcg", measure = "OR", formula = "~ alloc", scale = "~ decade", link = "log"),
    list(dataset = "bangertdrowns2004", measure = "GEN", formula = "~ length", scale = "~ length", link = "log"),
    list(dataset = "bangertdrowns2004", measure = "GEN", formula = "~ length", scale = "~ length", link = "identity"),
    list(dataset = "bangertdrowns2004", measure = "GEN", formula = "~ 1", scale = "~ 1", link = "log"),
    list(dataset = "raudenbush1985", measure = "GEN", formula = "~ weeks", scale = "~ weeks", link = "log"),
    list(dataset = "konstantopoulos2011", measure = "GEN", formula = "~ year", scale = "~ year", link = "log"),
    list(dataset = "konstantopoulos2011", measure = "GEN", formula = "~ year", scale = "~ year", link = "identity"),
    list(dataset = "mcdaniel1994", measure = "ZCOR", formula = "~ type", scale = "~ struct", link = "log"),
    list(dataset = "mcdaniel1994", measure = "ZCOR", formula = "~ type", scale = "~ struct", link = "identity"),
    list(dataset = "molloy2014", measure = "ZCOR", formula = "~ meanage", scale = "~ meanage", link = "log"))

# Score and second derivatives of the log-likelihood by a, from the definitions.
scale_derivatives <- function(a, y, v, X, Z, link, reml) {
    eta <- as.numeric(Z %*% a)
    tau2 <- if (link == "log") exp(eta) else eta
    slope <- if (link == "log") tau2 else rep(1, length(y))
    bend <- if (link == "log") tau2 else rep(0, length(y))
    W <- diag(1 / (v + tau2))
    P <- W - W %*% X %*% solve(t(X) %*% W %*% X, t(X) %*% W)
    u <- as.numeric(P %*% y)
    D <- if (reml) P else W
    excess <- u^2 - diag(D)
    second <- diag(bend * excess) / 2 + (slope %o% slope) * (D^2 / 2 - (u %o% u) * P)
    list(score = as.numeric(t(Z) %*% (slope * excess)) / 2, hessian = t(Z) %*% second %*% Z,
         height = -0.5 * (sum(log(v + tau2)) + sum(y * u) + if (reml) determinant(t(X) %*% W %*% X)$modulus else 0))
}

polished <- function(a, y, v, X, Z, link, reml) {
    # Orthogonal columns: those of a year are nearly collinear with the intercept.
    back <- qr.R(qr(Z))
    Q <- Z %*% solve(back)
    X <- qr.Q(qr(X))
    g <- as.numeric(back %*% a)
    for (i in 1:50) {
        d <- scale_derivatives(g, y, v, X, Q, link, reml)
        step <- solve(-d$hessian, d$score)
        if (sum(step * d$score) < 1e-28) break
        g <- g + step
    }
    se <- sqrt(diag(solve(-d$hessian)))
    if (max(abs(d$score * se)) > 1e-12) stop("the score is not 0: ", format(max(abs(d$score * se))))
    # No other start may lead higher.
    for (start in 1:20) {
        from <- g + rnorm(length(g)) * 3 * se
        height <- function(g) -as.numeric(scale_derivatives(g, y, v, X, Q, link, reml)$height)
        if (link == "identity") height <- function(g) {
            if (any(Q %*% g < 0)) 1e10 else -as.numeric(scale_derivatives(g, y, v, X, Q, link, reml)$height)
        }
        other <- try(suppressWarnings(optim(from, height, control = list(maxit = 5000))), silent = TRUE)
        if (!inherits(other, "try-error") && -other$value > d$height + 1e-6) return(NULL)
    }
    inverse <- solve(back)
    list(a = as.numeric(inverse %*% g), covariance = inverse %*% solve(-d$hessian, t(inverse)))
}

make_location_scale <- function(datasets, effects) {
    set.seed(1)
    out <- list()
    for (model in location_scale_models) {
        effect <- Filter(function(e) e$dataset == model$dataset && e$measure == model$measure, effects)[[1]]
        frame <- as.data.frame(datasets[[model$dataset]]$columns)
        frame$y <- unclass(effect$values$y)
        frame$v <- unclass(effect$values$v)
        location <- as.formula(model$formula)
        scale <- as.formula(model$scale)
        frame <- frame[complete.cases(frame[, c("y", "v", all.vars(location), all.vars(scale))]), ]
        X <- model.matrix(location, frame)
        Z <- model.matrix(scale, frame)
        for (method in c("REML", "ML")) for (test in if (length(out) < 6) c("z", "t", "knha") else "z") {
            arguments <- list(yi = frame$y, vi = frame$v, mods = X, scale = Z, intercept = FALSE, link = model$link,
                              method = method, test = test, control = list(optimizer = "nlminb"))
            free <- suppressWarnings(do.call(rma, arguments))
            best <- polished(as.numeric(free$alpha), frame$y, frame$v, X, Z, model$link, method == "REML")
            if (is.null(best)) stop("metafor missed a maximum: ", model$dataset, model$scale, method)
            a <- best$a
            far <- max(abs(a - as.numeric(free$alpha)) / free$se.alpha)
            if (far > 1e-3) stop("metafor stopped ", format(far), " standard errors from the maximum: ",
                                 paste(model, collapse = " "), " ", method)
            arguments$control <- list(optimizer = "nlminb", alpha.init = a)
            free <- suppressWarnings(do.call(rma, arguments))
            far <- max(abs(a - as.numeric(free$alpha)) / free$se.alpha)
            if (far > 1e-5) stop("metafor moved away from the maximum by ", format(far), " standard errors: ",
                                 paste(model, collapse = " "), " ", method)
            arguments$alpha <- a
            fixed <- suppressWarnings(do.call(rma, arguments))
            # Tests from the second derivatives.
            se <- sqrt(diag(best$covariance))
            if (max(abs(free$se.alpha / se - 1)) > 2e-4) stop("standard errors differ: ", paste(model, collapse = " "))
            df <- if (test == "z") Inf else free$ddf.alpha
            m <- ncol(Z) - 1
            q_scale <- if (m) sum(a[-1] * solve(best$covariance[-1, -1], a[-1])) else NA
            q_scale_p <- if (test == "z") pchisq(q_scale, m, lower.tail = FALSE) else pf(q_scale / m, m, df, lower.tail = FALSE)
            if (test != "z") q_scale <- q_scale / m
            values <- list(k = fixed$k, estimate = I(as.numeric(fixed$beta)), se = I(fixed$se),
                           df = if (test == "z") NA else fixed$ddf, p_value = I(fixed$pval),
                           ci_low = I(fixed$ci.lb), ci_high = I(fixed$ci.ub),
                           q_residual = fixed$QE, q_residual_p_value = fixed$QEp,
                           q_moderators = if (ncol(X) > 1) fixed$QM else NA,
                           q_moderators_p_value = if (ncol(X) > 1) fixed$QMp else NA,
                           scale_estimate = I(a), scale_se = I(unname(se)), scale_se_numerical = I(free$se.alpha),
                           scale_p_value = I(2 * pt(-abs(a / unname(se)), df)),
                           scale_df = if (test == "z") NA else free$ddf.alpha,
                           q_scale = q_scale, q_scale_p_value = if (m) q_scale_p else NA,
                           tau2_range = range(fixed$tau2), log_likelihood = free$fit.stats["ll", method],
                           aic = free$fit.stats["AIC", method], bic = free$fit.stats["BIC", method],
                           aicc = free$fit.stats["AICc", method])
            out[[length(out) + 1]] <- c(model, list(method = method, test = test, values = values))
        }
    }
    write_records(out, "location_scale.json")
}
