//! A page: one HTML file with everything in it. Nothing is fetched, no script runs.

use std::fmt::Write;

use crate::cell::Cell;
use crate::picture::data_uri;

/// A page that grows part by part.
#[derive(Debug, Clone)]
pub struct Page {
    title: String,
    parts: Vec<Part>,
}

/// What is on a page. Text is text: it is escaped.
#[derive(Debug, Clone)]
pub enum Part {
    /// A heading of what follows.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// Things one below the other.
    List(Vec<String>),
    /// A row of names, and rows below it.
    Table(Vec<String>, Vec<Vec<Cell>>),
    /// A figure, by its SVG document.
    Figure(String),
    /// Small figures, side by side as the window is wide.
    Figures(Vec<String>),
    /// Things to hear and look at, side by side as the window is wide.
    Clips(Vec<Clip>),
    /// Things before and after a change, likewise.
    Pairs(Vec<Pair>),
    /// Text that is shown as it is.
    Code(String),
    /// Details: a summary, and what is behind it.
    Details(String, Fold, Vec<Part>),
}

/// Whether details are seen at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// They are.
    Open,
    /// They are folded up.
    Closed,
}

/// Something before and after a change.
#[derive(Debug, Clone, Default)]
pub struct Pair {
    /// What it is.
    pub title: String,
    /// Before the change.
    pub before: Clip,
    /// After it.
    pub after: Clip,
}

/// Some of a text, and whether it is marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The text.
    pub text: String,
    /// Whether it is marked.
    pub marked: bool,
}

/// A sound, a picture, a text, or several of them.
#[derive(Debug, Clone, Default)]
pub struct Clip {
    /// What it is.
    pub title: String,
    /// A line below.
    pub note: String,
    /// The sound, a WAV file.
    pub wav: Option<Vec<u8>>,
    /// A picture, a PNG file.
    pub png: Option<Vec<u8>>,
    /// An SVG element.
    pub svg: Option<String>,
    /// A text.
    pub text: Vec<Span>,
}

impl Page {
    /// An empty page.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), parts: Vec::new() }
    }

    /// Adds `part` at the end.
    pub fn add(&mut self, part: Part) {
        self.parts.push(part);
    }

    /// The file.
    pub fn to_html(&self) -> String {
        let title = escaped(&self.title);
        let parts: String = self.parts.iter().map(Part::to_html).collect();
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n\
             <h1>{title}</h1>\n{parts}</main>\n</body>\n</html>\n",
            include_str!("page.css")
        )
    }
}

impl Part {
    fn to_html(&self) -> String {
        match self {
            Self::Heading(text) => format!("<h2>{}</h2>\n", escaped(text)),
            Self::Text(text) => format!("<p>{}</p>\n", escaped(text)),
            Self::List(items) => {
                let items = items.iter().map(|item| format!("<li>{}</li>\n", escaped(item)));
                format!("<ul>\n{}</ul>\n", items.collect::<String>())
            }
            Self::Table(names, rows) => {
                let head = names.iter().enumerate().map(|(place, name)| {
                    let is_number = |row: &Vec<Cell>| row.get(place).is_some_and(Cell::is_number);
                    let class = if rows.iter().any(is_number) { " class=\"number\"" } else { "" };
                    format!("<th{class}>{}</th>", escaped(name))
                });
                let head: String = head.collect();
                let row = |cells: &Vec<Cell>| {
                    format!("<tr>{}</tr>\n", cells.iter().map(Cell::to_html).collect::<String>())
                };
                let body: String = rows.iter().map(row).collect();
                format!("<div class=\"wide\"><table>\n<tr>{head}</tr>\n{body}</table></div>\n")
            }
            Self::Figure(svg) => format!("<figure>{svg}</figure>\n"),
            Self::Figures(figures) => {
                let figures = figures.iter().map(|svg| format!("<figure>{svg}</figure>\n"));
                format!("<div class=\"figures\">\n{}</div>\n", figures.collect::<String>())
            }
            Self::Clips(clips) => {
                let clips: String = clips.iter().map(Clip::to_html).collect();
                format!("<div class=\"clips\">\n{clips}</div>\n")
            }
            Self::Pairs(pairs) => {
                let pairs: String = pairs.iter().map(Pair::to_html).collect();
                format!("<div class=\"pairs\">\n{pairs}</div>\n")
            }
            Self::Code(text) => format!("<pre>{}</pre>\n", escaped(text)),
            Self::Details(summary, fold, parts) => format!(
                "<details{}><summary>{}</summary>\n{}</details>\n",
                if *fold == Fold::Open { " open" } else { "" },
                escaped(summary),
                parts.iter().map(Self::to_html).collect::<String>()
            ),
        }
    }
}

impl Pair {
    fn to_html(&self) -> String {
        format!(
            "<article>\n<h3>{}</h3>\n<div>\n{}{}</div>\n</article>\n",
            escaped(&self.title),
            self.before.to_html(),
            self.after.to_html()
        )
    }
}

impl Clip {
    fn to_html(&self) -> String {
        let title = escaped(&self.title);
        let mut html = format!("<section>\n<h3>{title}</h3>\n");
        if let Some(wav) = &self.wav {
            let sound = data_uri("audio/wav", wav);
            let _ = writeln!(html, "<audio controls preload=\"metadata\" src=\"{sound}\"></audio>");
        }
        if let Some(png) = &self.png {
            let picture = data_uri("image/png", png);
            let _ = writeln!(html, "<img src=\"{picture}\" alt=\"picture of {title}\">");
        }
        if let Some(svg) = &self.svg {
            let _ = writeln!(html, "{svg}");
        }
        if !self.text.is_empty() {
            let spans: String = self.text.iter().map(Span::to_html).collect();
            let _ = writeln!(html, "<p class=\"text\">{spans}</p>");
        }
        if !self.note.is_empty() {
            let _ = writeln!(html, "<p class=\"note\">{}</p>", escaped(&self.note));
        }
        html + "</section>\n"
    }
}

impl Span {
    fn to_html(&self) -> String {
        let text = escaped(&self.text);
        if self.marked { format!("<mark>{text}</mark>") } else { text }
    }
}

/// Text that is safe between tags and in attributes.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            _ => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_in_the_file_and_text_stays_text() {
        let mut page = Page::new("a < b");
        page.add(Part::Heading("Scores & such".into()));
        page.add(Part::List(vec!["1 < 2".into()]));
        page.add(Part::Table(vec!["FID".into()], vec![vec![Cell::Text("<script>".into())]]));
        let (title, note) = ("\"x\".wav".to_owned(), "seed 0".to_owned());
        let (wav, png) = (Some(b"RIFF".to_vec()), Some(b"PNG".to_vec()));
        let clip = Clip { title, note, wav, png, ..Clip::default() };
        page.add(Part::Clips(vec![clip]));
        let code = Part::Code("a = \"b\"".into());
        page.add(Part::Details("settings".into(), Fold::Closed, vec![code]));
        let text = ["2 ", "<"].map(|text| Span { text: text.into(), marked: text == "<" });
        let after = Clip { text: text.to_vec(), ..Clip::default() };
        page.add(Part::Pairs(vec![Pair { title: "7".into(), before: Clip::default(), after }]));
        let html = page.to_html();
        for expected in [
            "<title>a &lt; b</title>",
            "<h2>Scores &amp; such</h2>",
            "<li>1 &lt; 2</li>",
            "<td>&lt;script&gt;</td>",
            "src=\"data:audio/wav;base64,UklGRg==\"",
            "alt=\"picture of &quot;x&quot;.wav\"",
            "<summary>settings</summary>\n<pre>a = &quot;b&quot;</pre>",
            "<p class=\"text\">2 <mark>&lt;</mark></p>",
        ] {
            assert!(html.contains(expected), "{expected} in {html}");
        }
        assert!(!html.contains("http") && !html.contains("<script"), "{html}");
    }
}
