# Study data for every measure: real sets, and rows made up to be awkward (zero cells, all events, tiny and huge groups).

make_escalc_datasets <- function() {
    rows <- function(names, ...) {
        out <- as.data.frame(do.call(rbind, list(...)))
        names(out) <- names
        out
    }
    two_groups <- c("events1", "n1", "events2", "n2")
    awkward_counts <- rows(two_groups, c(0, 10, 3, 12), c(5, 5, 2, 9), c(0, 20, 0, 22), c(8, 8, 7, 7), c(3, 10, 0, 11),
                           c(4, 9, 6, 6), c(1, 2, 1, 3), c(12, 100000, 9, 99000), c(1, 1, 0, 1), c(250, 1000, 250, 1000),
                           c(0, 15, 15, 15), c(7, 30, 12, 28))
    means <- c("mean1", "sd1", "n1", "mean2", "sd2", "n2")
    awkward_means <- rows(means, c(10, 2, 2, 8, 3, 2), c(5.5, 1.1, 3, 5.5, 1.4, 40), c(-2, 1.5, 20, 3, 1.2, 25),
                          c(1e-3, 2e-4, 12, 2e-3, 4e-4, 15), c(1e6, 3e5, 8, 1.4e6, 2e5, 9), c(0, 1, 30, 0.1, 1, 30),
                          c(101.3, 14.2, 12000, 99.8, 15.1, 15000), c(4, 0.5, 10, 9, 6, 10))
    positive_means <- rows(means, c(10, 2, 2, 8, 3, 2), c(5.5, 1.1, 3, 5.5, 1.4, 40), c(1e-3, 2e-4, 12, 2e-3, 4e-4, 15),
                           c(1e6, 3e5, 8, 1.4e6, 2e5, 9), c(101.3, 14.2, 12000, 99.8, 15.1, 15000), c(4, 0.5, 10, 9, 6, 10),
                           c(-3, 1, 14, -5, 1.5, 16))
    normand <- data.frame(mean1 = dat.normand1999$m1i, sd1 = dat.normand1999$sd1i, n1 = dat.normand1999$n1i,
                          mean2 = dat.normand1999$m2i, sd2 = dat.normand1999$sd2i, n2 = dat.normand1999$n2i)
    gibson <- dat.gibson2002[!is.na(dat.gibson2002$m1i), ]
    gibson <- data.frame(mean1 = gibson$m1i, sd1 = gibson$sd1i, n1 = gibson$n1i, mean2 = gibson$m2i, sd2 = gibson$sd2i,
                         n2 = gibson$n2i)
    # Morris (2008), table 1: treatment group, pre (2) and post (1).
    morris <- data.frame(mean1 = c(38.5, 26.8, 0.7, 75.9, 36.0), sd1 = c(11.6, 4.1, 0.1, 4.4, 4.6),
                         mean2 = c(30.6, 23.5, 0.5, 53.4, 35.6), sd2 = c(15.0, 3.1, 0.1, 14.5, 4.7),
                         n = c(20, 50, 9, 10, 14), r = c(.47, .64, .77, .89, .44))
    awkward_changes <- rows(c("mean1", "sd1", "mean2", "sd2", "n", "r"), c(10, 2, 8, 3, 3, 0.5), c(5, 1, 5, 1.5, 12, 0),
                            c(3, 1, 7, 0.4, 25, -0.3), c(1e-3, 2e-4, 2e-3, 3e-4, 8, 0.95), c(150, 20, 140, 22, 5000, 0.8),
                            c(6, 2, 4, 2, 4, 0.99))
    awkward_pairs <- rows(c("both", "only1", "only2", "neither"), c(10, 0, 3, 12), c(0, 5, 2, 9), c(20, 4, 0, 30),
                          c(0, 3, 3, 0), c(15, 15, 5, 5), c(5, 0, 0, 6), c(1000, 20, 35, 4000), c(1, 1, 1, 1))
    bourassa <- dat.bourassa1996[complete.cases(dat.bourassa1996[, c("lh.le", "lh.re", "rh.le", "rh.re")]), ][1:12, ]
    bourassa <- data.frame(both = bourassa$lh.le, only1 = bourassa$lh.re, only2 = bourassa$rh.le, neither = bourassa$rh.re)
    hand_eye <- data.frame(events1 = bourassa$both, n1 = bourassa$both + bourassa$only1, events2 = bourassa$only2,
                           n2 = bourassa$only2 + bourassa$neither)
    awkward_times <- rows(c("events1", "time1", "events2", "time2"), c(0, 10.5, 3, 12), c(5, 0.25, 0, 0.5), c(0, 200, 0, 180),
                          c(1, 1e6, 2, 1.2e6), c(40, 100, 38, 100), c(7, 3, 9, 400))
    awkward_correlations <- rows(c("r", "n"), c(-0.99, 10), c(0, 5), c(0.5, 6), c(0.05, 2000), c(0.9, 7), c(-0.3, 50),
                                 c(1, 20), c(0.95, 5))
    partial <- data.frame(t = dat.aloe2013$tval, n = dat.aloe2013$n, predictors = dat.aloe2013$preds, r2 = dat.aloe2013$R2)
    awkward_partial <- rows(c("t", "n", "predictors", "r2"), c(-3.2, 12, 3, 0.75), c(0, 30, 5, 0.2), c(1.5, 8, 5, 0.6),
                            c(12, 400, 2, 0.45), c(0.4, 25, 1, 0.01))
    awkward_proportions <- rows(c("events", "n"), c(0, 10), c(10, 10), c(1, 1), c(0, 1), c(3, 7), c(50, 100), c(2, 100000),
                                c(990, 1000))
    debruin <- data.frame(events = dat.debruin2009$xi, n = dat.debruin2009$ni)
    awkward_rates <- rows(c("events", "time"), c(0, 10), c(3, 0.5), c(1, 1e6), c(400, 250), c(0, 0.1), c(17, 17))
    nielweise_arm <- data.frame(events = dat.nielweise2008$x2i, time = dat.nielweise2008$t2i)
    awkward_single <- rows(c("mean", "sd", "n"), c(10, 2, 2), c(0.003, 0.001, 15), c(100, 15, 20000), c(5, 8, 4), c(1e6, 1e5, 30))
    normand_arm <- data.frame(mean = dat.normand1999$m1i, sd = dat.normand1999$sd1i, n = dat.normand1999$n1i)
    awkward_alphas <- rows(c("alpha", "items", "n"), c(0.99, 2, 10), c(0, 5, 30), c(-0.2, 10, 50), c(0.8, 40, 3), c(0.7, 12, 20000))
    numeric_columns <- function(d) lapply(as.list(d), as.numeric)
    lapply(list(
        awkward_counts = awkward_counts, awkward_means = awkward_means, positive_means = positive_means,
        normand1999 = normand, gibson2002 = gibson, morris2008 = morris, awkward_changes = awkward_changes,
        awkward_pairs = awkward_pairs, bourassa1996_pairs = bourassa, bourassa1996 = hand_eye,
        awkward_times = awkward_times, awkward_correlations = awkward_correlations, aloe2013 = partial,
        awkward_partial = awkward_partial, awkward_proportions = awkward_proportions, debruin2009 = debruin,
        awkward_rates = awkward_rates, nielweise2008_control = nielweise_arm, awkward_single = awkward_single,
        normand1999_arm1 = normand_arm, awkward_alphas = awkward_alphas,
        cohen1981 = data.frame(r = dat.cohen1981$ri, n = dat.cohen1981$ni),
        bonett2010 = data.frame(alpha = dat.bonett2010$ai, items = dat.bonett2010$mi, n = dat.bonett2010$ni),
        pritz1997 = data.frame(events = dat.pritz1997$xi, n = dat.pritz1997$ni),
        hart1999 = person_time(dat.hart1999), nielweise2008 = person_time(dat.nielweise2008),
        nielweise2007 = counts(dat.nielweise2007, "ai", "n1i", "ci", "n2i"),
        collins1985_deaths = counts(dat.collins1985a, "d.xti", "nti", "d.xci", "nci"),
        bcg = data.frame(events1 = dat.bcg$tpos, n1 = dat.bcg$tpos + dat.bcg$tneg, events2 = dat.bcg$cpos,
                         n2 = dat.bcg$cpos + dat.bcg$cneg)), numeric_columns)
}
