//! A page: one HTML file with everything in it. Nothing is fetched, no script runs.

use std::fmt::Write;

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
    /// A row of names, and rows below it.
    Table(Vec<String>, Vec<Vec<String>>),
    /// A figure, by its SVG document.
    Figure(String),
    /// Things to hear and look at, side by side as the window is wide.
    Clips(Vec<Clip>),
    /// Details that are folded up: a summary, and text that is shown as it is.
    Details(String, String),
}

/// A sound, a picture, or both.
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
            Self::Table(names, rows) => {
                let row = |cells: &[String], tag: &str| {
                    let cells =
                        cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell)));
                    format!("<tr>{}</tr>\n", cells.collect::<String>())
                };
                let body: String = rows.iter().map(|cells| row(cells, "td")).collect();
                let head = row(names, "th");
                format!("<div class=\"wide\"><table>\n{head}{body}</table></div>\n")
            }
            Self::Figure(svg) => format!("<figure>{svg}</figure>\n"),
            Self::Clips(clips) => {
                let clips: String = clips.iter().map(Clip::to_html).collect();
                format!("<div class=\"clips\">\n{clips}</div>\n")
            }
            Self::Details(summary, text) => format!(
                "<details><summary>{}</summary><pre>{}</pre></details>\n",
                escaped(summary),
                escaped(text)
            ),
        }
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
        if !self.note.is_empty() {
            let _ = writeln!(html, "<p class=\"note\">{}</p>", escaped(&self.note));
        }
        html + "</section>\n"
    }
}

/// Text that is safe between tags and in attributes.
fn escaped(text: &str) -> String {
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
        page.add(Part::Table(vec!["FID".into()], vec![vec!["<script>".into()]]));
        let (title, note) = ("\"x\".wav".to_owned(), "seed 0".to_owned());
        let (wav, png) = (Some(b"RIFF".to_vec()), Some(b"PNG".to_vec()));
        page.add(Part::Clips(vec![Clip { title, note, wav, png, svg: None }]));
        page.add(Part::Details("settings".into(), "a = \"b\"".into()));
        let html = page.to_html();
        for expected in [
            "<title>a &lt; b</title>",
            "<h2>Scores &amp; such</h2>",
            "<td>&lt;script&gt;</td>",
            "src=\"data:audio/wav;base64,UklGRg==\"",
            "alt=\"picture of &quot;x&quot;.wav\"",
            "<pre>a = &quot;b&quot;</pre>",
        ] {
            assert!(html.contains(expected), "{expected} in {html}");
        }
        assert!(!html.contains("http") && !html.contains("<script"), "{html}");
    }
}
