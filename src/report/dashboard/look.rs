//! How things look, with colors or without: by what they mean.

use ratatui::style::{Color, Modifier, Style};

/// Whether there are colors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    colors: bool,
}

impl Look {
    pub(super) fn new(colors: bool) -> Self {
        Self { colors }
    }

    pub(super) fn color(self, color: Color) -> Style {
        if self.colors { Style::new().fg(color) } else { Style::new() }
    }

    pub(super) fn same(self) -> Style {
        self.color(Color::Green)
    }

    pub(super) fn cross(self) -> Style {
        self.color(Color::Yellow)
    }

    pub(super) fn bad(self) -> Style {
        self.color(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(super) fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }
}
