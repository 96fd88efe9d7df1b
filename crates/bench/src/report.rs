//! What a part of the benchmark found: a section of docs/performance.md, and its plots beside it.

use std::{fmt::Write, fs, io::Result, path::Path};

use crate::plot::Plot;

/// Tables, remarks and plots in the order in which they are read.
#[derive(Default)]
pub struct Report {
    text: String,
    plots: Vec<Plot>,
}

impl Report {
    /// Begins a part of the section.
    pub fn heading(&mut self, title: &str) {
        let _ = writeln!(self.text, "### {title}\n");
    }

    /// Adds a paragraph.
    pub fn remark(&mut self, text: &str) {
        let _ = writeln!(self.text, "{text}\n");
    }

    /// Adds a table. The first column is text, the others are figures.
    pub fn table(&mut self, columns: &[&str], rows: &[Vec<String>]) {
        let rule: Vec<_> =
            (0..columns.len()).map(|at| if at == 0 { "---" } else { "--:" }).collect();
        let _ = writeln!(self.text, "| {} |\n|{}|", columns.join(" | "), rule.join("|"));
        for row in rows {
            let _ = writeln!(self.text, "| {} |", row.join(" | "));
        }
        self.text.push('\n');
    }

    /// Adds a plot.
    pub fn plot(&mut self, plot: Plot) {
        let _ = writeln!(self.text, "![{}](performance/{}.svg)\n", plot.title, plot.name);
        self.plots.push(plot);
    }

    /// The section as Markdown.
    pub fn text(&self) -> &str {
        self.text.trim_end()
    }

    /// Puts the section in place of the one before in `docs/performance.md`, between the marks of
    /// this part, and the plots into `docs/performance/`.
    pub fn write(&self, part: &str, docs: &Path) -> Result<()> {
        let page = docs.join("performance.md");
        let text = fs::read_to_string(&page)?;
        let (begin, end) = (format!("<!-- {part} -->\n"), format!("<!-- end of {part} -->"));
        let (Some(from), Some(to)) = (text.find(&begin), text.find(&end)) else {
            return Err(std::io::Error::other(format!(
                "{} has no marks for {part}",
                page.display()
            )));
        };
        let (before, after) = (&text[..from + begin.len()], &text[to..]);
        fs::write(&page, format!("{before}\n{}\n\n{after}", self.text()))?;
        let plots = docs.join("performance");
        fs::create_dir_all(&plots)?;
        self.plots
            .iter()
            .try_for_each(|plot| fs::write(plots.join(format!("{}.svg", plot.name)), plot.svg()?))
    }
}
