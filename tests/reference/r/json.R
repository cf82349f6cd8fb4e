# A JSON writer that loses no digit: every number has the fewest digits (15 to 17) that read back to the same double.

json_number <- function(x) {
    if (is.na(x) || is.infinite(x)) return("null")
    for (digits in 15:17) {
        text <- sprintf("%.*g", digits, x)
        if (as.numeric(text) == x) return(text)
    }
    stop("a number that does not survive 17 digits: ", text)
}

json_string <- function(x) {
    if (is.na(x)) return("null")
    x <- gsub("\\", "\\\\", enc2utf8(as.character(x)), fixed = TRUE)
    x <- gsub("\"", "\\\"", x, fixed = TRUE)
    x <- gsub("\n", "\\n", x, fixed = TRUE)
    paste0("\"", x, "\"")
}

# A list with names is an object, one without is an array. Atomic vectors of length one are scalars; wrap them in
# I() to keep an array of length one. NULL, NA, NaN and infinities are null.
to_json <- function(x) {
    if (is.null(x)) return("null")
    if (is.matrix(x)) return(to_json(lapply(seq_len(nrow(x)), function(i) I(unname(x[i, ])))))
    if (is.list(x)) {
        if (!length(x)) return(if (is.null(names(x))) "[]" else "{}")
        items <- vapply(x, to_json, "")
        if (is.null(names(x))) return(paste0("[", paste(items, collapse = ", "), "]"))
        keys <- vapply(names(x), json_string, "")
        return(paste0("{", paste(paste0(keys, ": ", items), collapse = ", "), "}"))
    }
    if (is.factor(x)) x <- as.character(x)
    array <- inherits(x, "AsIs") || length(x) != 1L
    x <- unclass(x)
    items <- if (is.character(x)) {
        vapply(x, json_string, "", USE.NAMES = FALSE)
    } else if (is.logical(x)) {
        ifelse(is.na(x), "null", ifelse(x, "true", "false"))
    } else {
        vapply(as.numeric(x), json_number, "", USE.NAMES = FALSE)
    }
    if (array) paste0("[", paste(items, collapse = ", "), "]") else items
}

# One record a line, so that a change of one value is a change of one line.
write_records <- function(records, path) {
    lines <- vapply(unname(records), to_json, "")
    writeLines(c("[", paste0(lines, c(rep(",", length(lines) - 1L), "")), "]"), path, useBytes = TRUE)
}

write_object <- function(object, path) {
    keys <- vapply(names(object), json_string, "")
    lines <- paste0(keys, ": ", vapply(unname(object), to_json, ""))
    writeLines(c("{", paste0(lines, c(rep(",", length(lines) - 1L), "")), "}"), path, useBytes = TRUE)
}
