# The study data, under our own column names, and the measures that each set is pooled by.

entry <- function(source, columns, measures, note = NULL) {
    # Counts as doubles: products of R's integers overflow.
    columns <- lapply(as.list(columns), function(x) if (is.integer(x)) as.numeric(x) else x)
    list(source = source, note = note, measures = measures, columns = columns)
}

counts <- function(d, events1, n1, events2, n2, extra = NULL) {
    out <- data.frame(events1 = d[[events1]], n1 = d[[n1]], events2 = d[[events2]], n2 = d[[n2]])
    if (!is.null(extra)) out <- cbind(out, extra)
    out[complete.cases(out[1:4]), , drop = FALSE]
}

yusuf <- function(number) {
    d <- dat.yusuf1985[dat.yusuf1985$table == number, ]
    counts(d, "ai", "n1i", "ci", "n2i")
}

means <- function(d, extra = NULL) {
    out <- data.frame(mean1 = d$m1i, sd1 = d$sd1i, n1 = d$n1i, mean2 = d$m2i, sd2 = d$sd2i, n2 = d$n2i)
    if (!is.null(extra)) out <- cbind(out, extra)
    out[complete.cases(out[1:6]), , drop = FALSE]
}

given <- function(d, y = "yi", v = "vi", extra = NULL) {
    out <- data.frame(y = as.numeric(d[[y]]), v = as.numeric(d[[v]]))
    if (!is.null(extra)) out <- cbind(out, extra)
    out[complete.cases(out[1:2]), , drop = FALSE]
}

person_time <- function(d) data.frame(events1 = d$x1i, time1 = d$t1i, events2 = d$x2i, time2 = d$t2i)

make_datasets <- function() {
    # A risk ratio from a table with cells near zero and with large groups; a factor and covariates for later.
    bcg <- data.frame(events1 = dat.bcg$tpos, n1 = dat.bcg$tpos + dat.bcg$tneg, events2 = dat.bcg$cpos,
                      n2 = dat.bcg$cpos + dat.bcg$cneg, ablat = dat.bcg$ablat, year = dat.bcg$year,
                      decade = (dat.bcg$year - 1966) / 10, alloc = dat.bcg$alloc)
    gibson <- means(dat.gibson2002, data.frame(type = dat.gibson2002$type))
    raudenbush <- given(dat.raudenbush1985, extra = data.frame(
        weeks = dat.raudenbush1985$weeks, setting = dat.raudenbush1985$setting, tester = dat.raudenbush1985$tester))
    bangert <- given(dat.bangertdrowns2004, extra = dat.bangertdrowns2004[, c(
        "length", "wic", "feedback", "info", "pers", "imag", "meta", "grade")])
    baskerville <- dat.baskerville2012
    baskerville <- data.frame(y = baskerville$smd, v = baskerville$se^2, design = baskerville$design,
                              duration = baskerville$duration)
    pignon <- data.frame(y = dat.pignon2000$OmE / dat.pignon2000$V, v = 1 / dat.pignon2000$V, group = dat.pignon2000$grp)
    molloy <- data.frame(r = dat.molloy2014$ri, n = dat.molloy2014$ni, design = dat.molloy2014$design,
                         controls = dat.molloy2014$controls, quality = dat.molloy2014$quality,
                         meanage = dat.molloy2014$meanage)
    riley <- dat.riley2003[dat.riley2003$outcome == "OS", ]
    damico <- counts(dat.damico2009, "xt", "nt", "xc", "nc", data.frame(conceal = dat.damico2009$conceal))
    paired <- data.frame(mean1 = dat.curtis1998$m1i, sd1 = dat.curtis1998$sd1i, n1 = dat.curtis1998$n1i,
                         mean2 = dat.curtis1998$m2i, sd2 = dat.curtis1998$sd2i, n2 = dat.curtis1998$n2i)
    list(
        bcg = entry("metadat dat.bcg (Colditz 1994)", bcg, c("RR", "OR", "RD", "PETO", "AS")),
        hackshaw1998 = entry("metadat dat.hackshaw1998", given(dat.hackshaw1998, extra = data.frame(
            design = dat.hackshaw1998$design)), "GEN", "log odds ratios"),
        baskerville2012 = entry("metadat dat.baskerville2012", baskerville, "GEN", "standardised mean differences; v = se^2"),
        molloy2014 = entry("metadat dat.molloy2014", molloy, c("ZCOR", "COR", "UCOR")),
        yusuf1985_6 = entry("metadat dat.yusuf1985, table 6, studies with data", yusuf("6"), c("PETO", "OR", "RD")),
        yusuf1985_9 = entry("metadat dat.yusuf1985, table 9, studies with data", yusuf("9"), c("PETO", "OR")),
        yusuf1985_10 = entry("metadat dat.yusuf1985, table 10, studies with data", yusuf("10"), c("PETO", "OR", "RR")),
        yusuf1985_11 = entry("metadat dat.yusuf1985, table 11, studies with data", yusuf("11"), c("PETO", "OR")),
        yusuf1985_12a = entry("metadat dat.yusuf1985, table 12a, studies with data", yusuf("12a"), "PETO"),
        raudenbush1985 = entry("metadat dat.raudenbush1985", raudenbush, "GEN", "standardised mean differences"),
        normand1999 = entry("metadat dat.normand1999", means(dat.normand1999), c("MD", "SMD", "ROM")),
        hine1989 = entry("metadat dat.hine1989", counts(dat.hine1989, "ai", "n1i", "ci", "n2i"), c("RD", "RR", "OR")),
        nielweise2007 = entry("metadat dat.nielweise2007", counts(dat.nielweise2007, "ai", "n1i", "ci", "n2i"),
                              c("OR", "RR", "RD", "PETO"), "zero cells"),
        collins1985_deaths = entry("metadat dat.collins1985a, deaths, studies with data",
                                   counts(dat.collins1985a, "d.xti", "nti", "d.xci", "nci"), c("OR", "RR", "RD", "PETO"),
                                   "zero cells and a study without events"),
        collins1985_bleeding = entry("metadat dat.collins1985a, persistent or recurrent bleeding, studies with data",
                                     counts(dat.collins1985a, "b.xti", "nti", "b.xci", "nci"), c("OR", "RR"), "zero cells"),
        linde2005 = entry("metadat dat.linde2005, studies with data", counts(dat.linde2005, "ai", "n1i", "ci", "n2i"),
                          c("RR", "OR", "RD"), "a study without events"),
        bangertdrowns2004 = entry("metadat dat.bangertdrowns2004", bangert, "GEN", "standardised mean differences"),
        konstantopoulos2011 = entry("metadat dat.konstantopoulos2011", given(dat.konstantopoulos2011, extra = data.frame(
            year = dat.konstantopoulos2011$year)), "GEN", "pooled as if the schools were independent"),
        curtis1998 = entry("metadat dat.curtis1998", paired, c("ROM", "SMD"), "k = 102"),
        mcdaniel1994 = entry("metadat dat.mcdaniel1994", data.frame(r = dat.mcdaniel1994$ri, n = dat.mcdaniel1994$ni,
            type = dat.mcdaniel1994$type, struct = dat.mcdaniel1994$struct), "ZCOR", "k = 160"),
        cohen1981 = entry("metadat dat.cohen1981", data.frame(r = dat.cohen1981$ri, n = dat.cohen1981$ni), c("ZCOR", "COR")),
        pignon2000 = entry("metadat dat.pignon2000", pignon, "GEN", "log hazard ratios, y = (O - E)/V, v = 1/V"),
        gibson2002 = entry("metadat dat.gibson2002, studies with means", gibson, c("SMD", "MD", "SMDH")),
        riley2003_os = entry("metadat dat.riley2003, overall survival", given(riley), "GEN", "log hazard ratios"),
        li2007 = entry("metadat dat.li2007", counts(dat.li2007, "ai", "n1i", "ci", "n2i"), c("OR", "RR"),
                       "group sizes from 21 to 29039"),
        damico2009 = entry("metadat dat.damico2009", damico, c("OR", "RD")),
        hahn2001 = entry("metadat dat.hahn2001", counts(dat.hahn2001, "ai", "n1i", "ci", "n2i"), c("RR", "OR", "RD", "PETO"),
                         "studies without events"),
        pritz1997 = entry("metadat dat.pritz1997", data.frame(events = dat.pritz1997$xi, n = dat.pritz1997$ni),
                          c("PR", "PLO", "PFT", "PAS"), "all-events studies"),
        hart1999 = entry("metadat dat.hart1999", person_time(dat.hart1999), c("IRR", "IRD")),
        nielweise2008 = entry("metadat dat.nielweise2008", person_time(dat.nielweise2008), c("IRR", "IRD", "IRSD")),
        bonett2010 = entry("metadat dat.bonett2010", data.frame(alpha = dat.bonett2010$ai, items = dat.bonett2010$mi,
            n = dat.bonett2010$ni), "ABT"),
        bcg_two = entry("the first 2 studies of dat.bcg", bcg[1:2, 1:4], c("RR", "OR"), "k = 2, tau2 = 0"),
        normand1999_two = entry("studies 3 and 7 of dat.normand1999", means(dat.normand1999)[c(3, 7), ], c("MD", "SMD"), "k = 2"),
        bcg_three = entry("studies 3, 8 and 13 of dat.bcg", bcg[c(3, 8, 13), 1:4], c("RR", "OR", "RD"), "k = 3"),
        raudenbush1985_three = entry("studies 4, 5 and 10 of dat.raudenbush1985", raudenbush[c(4, 5, 10), 1:2], "GEN", "k = 3"),
        two_maxima = entry("made up: the restricted likelihood has a maximum at 0 and a better one at 0.0868", data.frame(
            y = c(.254, 1.112, 1.001, .406, .112, .502, -.502, 1.718, 1.004, .613),
            v = c(.202, .123, .215, .029, .195, .013, .202, .256, .295, .129)), "GEN"),
        score_negative_at_zero = entry("made up: REML is 0.0789", data.frame(
            y = c(.709, -.103, .49, .721, 1.022, .688, .369, .252, .637, .475),
            v = c(.195, .043, .219, .227, .074, .12, .185, .201, .19, .227)), "GEN"),
        small_scale = entry("dat.raudenbush1985 divided by 1000", data.frame(
            y = dat.raudenbush1985$yi / 1000, v = dat.raudenbush1985$vi / 1e6), "GEN"),
        equal_variances = entry("made up: all variances equal", data.frame(
            y = c(0.3, -0.1, 0.9, 1.4, 0.2, -0.6, 0.75), v = rep(0.11, 7)), "GEN")
    )
}

# metafor's names for our columns, by kind of data.
two_by_two <- c(events1 = "ai", n1 = "n1i", events2 = "ci", n2 = "n2i")
escalc_names <- list(
    two_groups = two_by_two,
    means = c(mean1 = "m1i", sd1 = "sd1i", n1 = "n1i", mean2 = "m2i", sd2 = "sd2i", n2 = "n2i"),
    person_time = c(events1 = "x1i", time1 = "t1i", events2 = "x2i", time2 = "t2i"),
    correlation = c(r = "ri", n = "ni"),
    one_proportion = c(events = "xi", n = "ni"),
    one_rate = c(events = "xi", time = "ti"),
    one_mean = c(mean = "mi", sd = "sdi", n = "ni"),
    reliability = c(alpha = "ai", items = "mi", n = "ni"),
    pairs = c(both = "ai", only1 = "bi", only2 = "ci", neither = "di"),
    before_after = c(mean1 = "m1i", sd1 = "sd1i", mean2 = "m2i", sd2 = "sd2i", n = "ni", r = "ri"),
    partial = c(t = "ti", n = "ni", predictors = "mi", r2 = "r2i"))

kind_of_measure <- function(measure) {
    kinds <- list(
        two_groups = c("RR", "OR", "RD", "PETO", "AS", "PHI", "YUQ", "YUY", "RTET", "PBIT", "OR2D", "OR2DN", "OR2DL"),
        means = c("MD", "SMD", "SMDH", "SMD1", "SMD1H", "ROM", "CVR", "VR", "RPB", "RBIS", "D2OR", "D2ORN", "D2ORL"),
        person_time = c("IRR", "IRD", "IRSD"),
        correlation = c("COR", "UCOR", "ZCOR"),
        one_proportion = c("PR", "PLN", "PLO", "PAS", "PFT"),
        one_rate = c("IR", "IRLN", "IRS", "IRFT"),
        one_mean = c("MN", "SMN", "MNLN", "CVLN", "SDLN"),
        reliability = c("ARAW", "AHW", "ABT"),
        pairs = c("MPRD", "MPRR", "MPOR", "MPORC", "MPPETO"),
        before_after = c("MC", "SMCC", "SMCR", "SMCRH", "ROMC", "CVRC", "VRC"),
        partial = c("PCOR", "ZPCOR", "SPCOR"))
    names(which(vapply(kinds, function(members) measure %in% members, TRUE)))
}

# y and v by metafor's escalc from our columns; `...` are escalc's own options.
compute_effects <- function(columns, measure, ...) {
    columns <- as.data.frame(columns)
    if (measure == "GEN") return(list(y = columns$y, v = columns$v))
    translate <- escalc_names[[kind_of_measure(measure)]]
    translate <- translate[names(translate) %in% names(columns)]
    inputs <- setNames(as.list(columns[names(translate)]), translate)
    out <- suppressWarnings(do.call(escalc, c(list(measure = measure, ...), inputs)))
    list(y = as.numeric(out$yi), v = as.numeric(out$vi))
}
