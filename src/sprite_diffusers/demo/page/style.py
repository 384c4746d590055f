"""How the page looks: sharp pixels, a checkerboard behind what is transparent, fonts of the machine."""

from __future__ import annotations

import gradio as gr

# nothing is fetched from elsewhere
THEME = gr.themes.Base(
    primary_hue="indigo",
    neutral_hue="slate",
    font=["ui-sans-serif", "system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
)

CSS = """
.sprites img, .sprites canvas { image-rendering: pixelated; }
.sprites .thumbnail-lg img, .sprites .preview img, .sprites .image-frame img {
  background: repeating-conic-gradient(#e3e3e8 0 25%, #f7f7fa 0 50%) 50% / 16px 16px;
}
.sprites .thumbnail-lg { aspect-ratio: auto; height: auto; display: flex; flex-direction: column; }
.sprites .thumbnail-lg img { height: auto; aspect-ratio: auto; }
.sprites .thumbnail-lg .caption-label {
  position: static; max-width: 100%; border: 0; margin: 0; padding: 2px 4px; background: none; text-align: center;
  font-size: 11px;
}
.sprites .grid-wrap { height: auto; min-height: 0; max-height: none; }
.sprites .image-frame img { width: 100%; height: 100%; object-fit: contain; }
#results .grid-container { grid-template-columns: repeat(auto-fill, minmax(80px, 1fr)); }
.swatches { display: flex; flex-wrap: wrap; gap: 2px; }
.swatches span { width: 16px; height: 16px; border-radius: 2px; border: 1px solid #0003; }
"""
