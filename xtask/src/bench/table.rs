//! What was measured, beside what is wanted, as a table and as JSON.

use super::house::{WAYS, Way};
use anyhow::Result;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// What is wanted of a figure.
#[derive(Clone, Copy)]
pub enum Goal {
    /// Sekisho's figure divided by the direct one is at least this.
    RatioAtLeast(f64),
    /// It is at most this.
    RatioAtMost(f64),
    /// Sekisho's figure itself is at most this.
    AtMost(f64),
    /// For orientation.
    None,
}

/// One line.
struct Row {
    measure: String,
    unit: &'static str,
    figures: [Option<f64>; 3],
    goal: Goal,
    each: [Vec<f64>; 3],
}

impl Row {
    fn figure(&self, way: Way) -> Option<f64> {
        let at = WAYS.iter().position(|known| *known == way)?;
        self.figures.get(at).copied().flatten()
    }

    fn ratio(&self) -> Option<f64> {
        let (direct, sekisho) = (self.figure(Way::Direct)?, self.figure(Way::Sekisho)?);
        (direct > 0.0).then(|| sekisho / direct)
    }

    fn met(&self) -> Option<bool> {
        match self.goal {
            Goal::RatioAtLeast(wanted) => Some(self.ratio()? >= wanted),
            Goal::RatioAtMost(wanted) => Some(self.ratio()? <= wanted),
            Goal::AtMost(wanted) => Some(self.figure(Way::Sekisho)? <= wanted),
            Goal::None => None,
        }
    }

    fn goal_text(&self) -> String {
        match self.goal {
            Goal::RatioAtLeast(wanted) => format!(">= {wanted} x direct"),
            Goal::RatioAtMost(wanted) => format!("<= {wanted} x direct"),
            Goal::AtMost(wanted) => format!("<= {wanted}"),
            Goal::None => String::new(),
        }
    }
}

/// All lines.
#[derive(Default)]
pub struct Table(Vec<Row>);

impl Table {
    /// Adds a line. `each` holds what each turn of each road gave; the line shows the medians.
    pub fn add(
        &mut self,
        measure: impl Into<String>,
        unit: &'static str,
        each: [Vec<f64>; 3],
        goal: Goal,
    ) {
        let figures = each.each_ref().map(|figures| quantile(figures, 0.5));
        self.add_figures(measure, unit, figures, each, goal);
    }

    /// Adds a line whose figures are no medians.
    pub fn add_figures(
        &mut self,
        measure: impl Into<String>,
        unit: &'static str,
        figures: [Option<f64>; 3],
        each: [Vec<f64>; 3],
        goal: Goal,
    ) {
        let row = Row {
            measure: measure.into(),
            unit,
            figures,
            goal,
            each,
        };
        eprintln!("xtask:   {}", row_text(&row));
        self.0.push(row);
    }

    /// Adds a line of Sekisho alone.
    pub fn add_own(
        &mut self,
        measure: impl Into<String>,
        unit: &'static str,
        jump: Option<f64>,
        own: f64,
        goal: Goal,
    ) {
        self.add_figures(
            measure,
            unit,
            [None, jump, Some(own)],
            Default::default(),
            goal,
        );
    }

    /// As a person reads it.
    pub fn text(&self, heading: &str) -> String {
        let mut out = format!("\n{heading}\n\n");
        out.push_str(
            "| measure | direct | jump | Sekisho | ratio | goal | met |\n|---|---|---|---|---|---|---|\n",
        );
        for row in &self.0 {
            out.push_str(&row_text(row));
            out.push('\n');
        }
        out
    }

    /// As a program reads it.
    pub fn write(&self, file: &Path, heading: &str) -> Result<()> {
        let rows: Vec<Value> = self
            .0
            .iter()
            .map(|row| {
                let [direct, jump, sekisho] = row.figures;
                let [each_direct, each_jump, each_sekisho] = &row.each;
                json!({
                    "measure": row.measure, "unit": row.unit, "direct": direct, "jump": jump, "sekisho": sekisho,
                    "ratio": row.ratio(), "goal": row.goal_text(), "met": row.met(),
                    "turns": { "direct": each_direct, "jump": each_jump, "sekisho": each_sekisho },
                })
            })
            .collect();
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let all = json!({ "run": heading, "rows": rows });
        fs::write(file, serde_json::to_string_pretty(&all)? + "\n")?;
        Ok(())
    }
}

fn row_text(row: &Row) -> String {
    let show = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), number);
    let [direct, jump, sekisho] = row.figures.map(show);
    let ratio = show(row.ratio());
    let met = match row.met() {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    };
    format!(
        "| {} ({}) | {direct} | {jump} | {sekisho} | {ratio} | {} | {met} |",
        row.measure,
        row.unit,
        row.goal_text()
    )
}

fn number(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else if value >= 0.1 {
        format!("{value:.2}")
    } else {
        format!("{value:.4}")
    }
}

/// The value below which this part of the figures lies.
pub fn quantile(figures: &[f64], part: f64) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * part).round() as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_by_the_ratio_or_by_the_figure_itself() {
        let row = |figures, goal| Row {
            measure: String::new(),
            unit: "",
            figures,
            goal,
            each: Default::default(),
        };
        let figures = [Some(100.0), Some(60.0), Some(80.0)];
        assert_eq!(row(figures, Goal::RatioAtLeast(0.75)).met(), Some(true));
        assert_eq!(row(figures, Goal::RatioAtLeast(0.85)).met(), Some(false));
        assert_eq!(row(figures, Goal::RatioAtMost(0.75)).met(), Some(false));
        assert_eq!(row(figures, Goal::AtMost(80.0)).met(), Some(true));
        assert_eq!(row([None; 3], Goal::AtMost(80.0)).met(), None);
        assert_eq!(quantile(&[3.0, 1.0, 2.0], 0.5), Some(2.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
