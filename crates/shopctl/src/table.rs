//! Tables, as wide as the terminal at most.

use comfy_table::{Table, TableStyle};

/// A column is shortened to this width before ids are.
const TEXT: usize = 12;
/// A column is shortened to this width at last.
const LEAST: usize = 4;
/// Digits of a shortened id: an order's number, by which `shopctl` finds the order or the saga.
const NUMBER: usize = 8;

/// Renders a table. With a width, no line is longer: text is cut, ids are shortened to their last
/// digits.
pub(crate) fn render(header: &[&str], rows: Vec<Vec<String>>, width: Option<usize>) -> String {
    let whole = draw(header, &rows);
    let Some(width) = width else { return whole };
    let over = length(&whole).saturating_sub(width);
    if over == 0 {
        return whole;
    }
    let rows = fit(header, rows, over);
    let lines: Vec<_> = draw(header, &rows)
        .lines()
        .map(|line| cut(line.trim_end(), width))
        .collect();
    lines.join("\n")
}

fn draw(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row.clone());
    }
    table.to_string()
}

fn length(text: &str) -> usize {
    let lengths = text.lines().map(|line| line.trim_end().chars().count());
    lengths.max().unwrap_or_default()
}

/// `text` in at most `width` characters.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    kept + "…"
}

/// Shortens the cells until the rows have lost `over` characters, if they can.
fn fit(header: &[&str], mut rows: Vec<Vec<String>>, over: usize) -> Vec<Vec<String>> {
    let column = |rows: &[Vec<String>], at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.cloned().collect::<Vec<_>>()
    };
    let is_id = |cell: &String| cell.is_empty() || uuid::Uuid::try_parse(cell).is_ok();
    let columns: Vec<_> = (0..header.len()).map(|at| column(&rows, at)).collect();
    let natural: Vec<_> = columns
        .iter()
        .zip(header)
        .map(|(cells, title)| {
            let widths = cells.iter().map(|cell| cell.chars().count());
            widths.max().unwrap_or_default().max(title.len())
        })
        .collect();
    let ids: Vec<_> = columns
        .iter()
        .zip(&natural)
        .map(|(cells, width)| *width >= NUMBER && cells.iter().all(is_id))
        .collect();
    let text: Vec<_> = ids.iter().map(|is_id| !is_id).collect();
    let mut widths = natural.clone();
    let mut left = shrink(&mut widths, &text, TEXT, over);
    if left > 0 {
        // ids first, then as little text as is needed
        widths.clone_from(&natural);
        let spared: usize = ids
            .iter()
            .zip(&mut widths)
            .filter(|(is_id, _)| **is_id)
            .map(|(_, width)| std::mem::replace(width, NUMBER) - NUMBER)
            .sum();
        for row in &mut rows {
            for (cell, _) in row.iter_mut().zip(&ids).filter(|(_, is_id)| **is_id) {
                let digits = cell.len().saturating_sub(NUMBER);
                *cell = cell[digits..].to_uppercase();
            }
        }
        left = shrink(&mut widths, &text, TEXT, over.saturating_sub(spared));
        shrink(&mut widths, &text, LEAST, left);
    }
    for row in &mut rows {
        for (cell, width) in row.iter_mut().zip(&widths) {
            *cell = cut(cell, *width);
        }
    }
    rows
}

/// Takes `over` characters from the widest of these columns, and returns how many are left to take
/// when all are down to `least`.
fn shrink(widths: &mut [usize], columns: &[bool], least: usize, mut over: usize) -> usize {
    while over > 0 {
        let candidates = widths.iter_mut().zip(columns);
        let widest = candidates
            .filter(|(_, wanted)| **wanted)
            .map(|(width, _)| width)
            .max_by_key(|width| **width);
        match widest {
            Some(width) if *width > least => *width -= 1,
            _ => break,
        }
        over -= 1;
    }
    over
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [&str; 3] = ["SAGA", "STATE", "LAST ERROR"];

    fn rows() -> Vec<Vec<String>> {
        let row = [
            "01996e0e-0000-7000-8000-00001c1fb183",
            "compensating",
            "no answer: connection refused by 10.0.0.1",
        ];
        vec![row.map(str::to_owned).to_vec()]
    }

    #[test]
    fn without_a_width_nothing_is_cut() {
        let table = render(&HEADER, rows(), None);
        for cell in &rows()[0] {
            assert!(table.contains(cell), "{table}");
        }
    }

    #[test]
    fn text_is_cut_before_ids_are_shortened() {
        let table = render(&HEADER, rows(), Some(80));
        assert!(table.contains(&rows()[0][0]), "{table}");
        assert!(table.contains("no answer:"), "{table}");
        assert!(length(&table) <= 80, "{table}");
        let table = render(&HEADER, rows(), Some(50));
        assert!(table.contains("1C1FB183"), "{table}");
        assert!(table.contains("no answer"), "{table}");
        assert!(length(&table) <= 50, "{table}");
    }

    #[test]
    fn no_width_is_too_small() {
        for width in 1..60 {
            assert!(length(&render(&HEADER, rows(), Some(width))) <= width);
        }
    }
}
