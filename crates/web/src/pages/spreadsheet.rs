//! CSV for the hospital's spreadsheets: UTF-8 with a mark that Excel knows, and no cell that it would take for a formula.

/// One file from rows of cells.
#[must_use]
pub(crate) fn csv<'a>(rows: impl IntoIterator<Item = Vec<std::borrow::Cow<'a, str>>>) -> String {
    let mut out = String::from("\u{feff}");
    for row in rows {
        let cells: Vec<String> = row.iter().map(|text| cell(text)).collect();
        out.push_str(&cells.join(","));
        out.push_str("\r\n");
    }
    out
}

/// A cell. What begins like a formula begins with an apostrophe (OWASP, CSV injection), because names in the log are what others typed.
fn cell(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let guarded = if plain.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) { format!("'{plain}") } else { plain };
    format!("\"{}\"", guarded.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_becomes_a_formula_or_a_second_row() {
        assert_eq!(csv([vec!["a".into(), "=cmd|' /C calc'!A0".into(), "x\r\n\"y\"".into(), " @sum".into()]]), "\u{feff}\"a\",\"'=cmd|' /C calc'!A0\",\"x  \"\"y\"\"\",\"' @sum\"\r\n");
    }
}
