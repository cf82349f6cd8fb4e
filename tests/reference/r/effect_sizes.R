# Effect sizes of every data set that is pooled, with escalc's defaults.

make_effect_sizes <- function(datasets) {
    out <- list()
    for (name in names(datasets)) for (measure in datasets[[name]]$measures) {
        out[[length(out) + 1]] <- list(dataset = name, measure = measure,
                                       values = lapply(compute_effects(datasets[[name]]$columns, measure), I))
    }
    write_records(out, "effect_sizes.json")
    out
}

write_datasets <- function(datasets) {
    plain <- lapply(datasets, function(d) {
        list(source = d$source, note = d$note, measures = I(d$measures), columns = lapply(d$columns, function(x) I(
            if (is.factor(x)) as.character(x) else x)))
    })
    write_object(plain, "datasets.json")
}
