"""The page, of Gradio components; imported only when the demo starts, as Gradio is an optional dependency."""
