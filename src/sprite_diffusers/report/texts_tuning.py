"""What the results page says of tuning by rewards, in English and Spanish."""

from __future__ import annotations

# As `texts.TEXTS`, of which these are a part.
TUNING_TEXTS: dict[str, tuple[str, str]] = {
    "tuning": ("Tuning by rewards", "Ajuste por recompensas"),
    "tuning_intro": (
        "A LoRA on a finished model, tuned so that its images earn more reward. <b>Gain</b> is the composite reward of seeded images less that of the base's images from the same noise, in standard deviations of the base; <b>best gain</b> is the highest of all evaluations of a run, and diversity (mean distance of two images of a prompt, as a share of the base's) and the untrained reward are those of the same evaluation. A <b>reward query</b> is one image that was drawn and rewarded for training; those of evaluations do not count. Unlike elsewhere on this page, values are means over runs ± their standard deviation; the best of a column is in bold.",
        "Una LoRA sobre un modelo terminado, ajustada para que sus imágenes obtengan más recompensa. La <b>ganancia</b> es la recompensa compuesta de imágenes con semilla menos la de las imágenes de la base con el mismo ruido, en desviaciones estándar de la base; la <b>mejor ganancia</b> es la más alta de todas las evaluaciones de una ejecución, y la diversidad (distancia media entre dos imágenes de una misma petición, como proporción de la de la base) y la recompensa no entrenada son las de esa misma evaluación. Una <b>consulta</b> es una imagen dibujada y recompensada para entrenar; las de las evaluaciones no cuentan. A diferencia del resto de la página, los valores son medias de las ejecuciones ± su desviación estándar; lo mejor de cada columna va en negrita.",
    ),
    "tuning_line": (
        "<b>The line to beat is DDPO</b>: how many reward queries an estimator needs to get to the best gain of DDPO with the same seed (between evaluations in proportion), and how many times fewer that is than DDPO needs itself.",
        "<b>El listón es DDPO</b>: cuántas consultas necesita un estimador para llegar a la mejor ganancia de DDPO con la misma semilla (entre evaluaciones, en proporción) y cuántas veces menos son que las que necesita el propio DDPO.",
    ),
    "tuning_of": (
        "{experiment}: {base} tuned for {rewards}",
        "{experiment}: {base} ajustado para {rewards}",
    ),
    "tuning_weights": ("Weights of the rewards: {weights}.", "Pesos de las recompensas: {weights}."),
    "tuning_weights_differ": (
        "The weights of the rewards are not the same in all runs; a run is compared only with a DDPO run of the same weights.",
        "Los pesos de las recompensas no son iguales en todas las ejecuciones; cada una se compara solo con una de DDPO de los mismos pesos.",
    ),
    "tuning_setup": (
        "LoRA of rank {rank}, {steps} denoising steps.",
        "LoRA de rango {rank}, {steps} pasos de eliminación de ruido.",
    ),
    "tuning_won": (
        "<b>{estimator}</b> gets to DDPO's best gain in the fewest reward queries: <b>{times} times fewer</b>, and in every run that can be compared ({runs} of {runs}).",
        "<b>{estimator}</b> llega a la mejor ganancia de DDPO con menos consultas que los demás: <b>{times} veces menos</b>, y en todas las ejecuciones comparables ({runs} de {runs}).",
    ),
    "tuning_lost": (
        "No other estimator gets to DDPO's best gain in fewer reward queries in every run that can be compared.",
        "Ningún otro estimador llega a la mejor ganancia de DDPO con menos consultas en todas las ejecuciones comparables.",
    ),
    "tuning_rising": (
        "In {rising} of {runs} DDPO runs the last evaluation is the best: that line is one of its budget, and more of it would raise the line.",
        "En {rising} de {runs} ejecuciones de DDPO la última evaluación es la mejor: ese listón es el de su presupuesto, y con más subiría.",
    ),
    "col_estimator": ("estimator", "estimador"),
    "col_seeds": ("seeds", "semillas"),
    "col_best_gain": ("best gain (sd)", "mejor ganancia (d.e.)"),
    "col_diversity": ("diver&shy;sity there", "diver&shy;sidad ahí"),
    "col_untrained": ("untrained reward, change", "recompensa no entrenada, cambio"),
    "col_queries": ("reward queries", "consultas"),
    "col_queries_to_line": ("queries to DDPO's best", "consultas hasta lo mejor de DDPO"),
    "col_times_fewer": ("times fewer than DDPO", "veces menos que DDPO"),
    "not_reached": ("not reached ({missed} of {runs})", "no alcanzado ({missed} de {runs})"),
    "note_no_diversity": (
        "was not measured: it takes two or more images of a prompt.",
        "no se midió: hacen falta dos o más imágenes por petición.",
    ),
    "note_no_untrained": (
        "unknown: there is no untrained reward, or its value on the base was not recorded.",
        "se desconoce: no hay recompensa no entrenada, o no se registró su valor con la base.",
    ),
    "note_no_line": (
        "no DDPO run of the same seed that is better than the base.",
        "no hay ejecución de DDPO con la misma semilla que supere a la base.",
    ),
    "note_never_reached": ("was never reached.", "no se alcanzó nunca."),
    "alt_tuning": (
        "Gain and diversity over reward queries, {base}",
        "Ganancia y diversidad según las consultas, {base}",
    ),
    "caption_tuning": (
        "A line per run, a colour per estimator, a dot at the best gain.",
        "Una línea por ejecución, un color por estimador, un punto en la mejor ganancia.",
    ),
    "plot_queries": ("reward queries", "consultas de recompensa"),
    "plot_gain": (
        "gain of the composite reward (sd of the base)",
        "ganancia de la recompensa compuesta (d.e. de la base)",
    ),
    "plot_diversity": ("diversity (share of the base's)", "diversidad (proporción de la de la base)"),
    "plot_line_to_beat": ("DDPO's best, mean", "lo mejor de DDPO, media"),
}
