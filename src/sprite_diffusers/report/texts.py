"""Every sentence, heading and label of the results page, in English and Spanish; those of latents and of tuning are beside it."""

from __future__ import annotations

from ..errors import SpriteError
from .texts_latents import LATENT_TEXTS
from .texts_tuning import TUNING_TEXTS

LANGUAGES = ("en", "es")

# key: (English, Spanish). Inline HTML as in `page`, where &shy; lets the head of a narrow column break; {names} are
# filled in, and are the same in both.
TEXTS: dict[str, tuple[str, str]] = {
    # ---- page -------------------------------------------------------------------------------------------------
    "title": ("Results", "Resultados"),
    "built": (
        "Built on {date} from the MLflow store <code>{store}</code> by <code>sprite-diffusers report</code>; nothing here was typed in by hand.",
        "Generado el {date} a partir del almacén de MLflow <code>{store}</code> con <code>sprite-diffusers report</code>; aquí no hay nada escrito a mano.",
    ),
    "how_to_read": ("How to read it", "Cómo leerlo"),
    "read_floor": (
        "<b>Beside each distance stands its floor</b>: real images scored in place of samples, in the same way and in the same number. A distance says something only through how far it lies above the floor; a model cannot be expected below it.",
        "<b>Junto a cada distancia figura su suelo</b>: imágenes reales puntuadas en lugar de las muestras, del mismo modo y en el mismo número. Una distancia solo dice algo por lo que se eleva sobre el suelo; no cabe esperar que un modelo quede por debajo.",
    ),
    "read_better": (
        "Lower is better: FD-PCA20 (Fréchet distance of the pixels on 20 principal components), FD feature (the same on the features of the classifier), KID, memorised, near copies. Higher is better: precision, recall, density, coverage, accuracy. Of colours the number closest to the floor is best, of seconds the lowest. The best value of a column is in bold.",
        "Menos es mejor: FD-PCA20 (distancia de Fréchet de los píxeles sobre 20 componentes principales), FD de características (la misma sobre las características del clasificador), KID, memorizadas y casi copias. Más es mejor: precisión, exhaustividad, densidad, cobertura y aciertos. En los colores, lo más cercano al suelo; en los segundos, lo más bajo. El mejor valor de cada columna va en negrita.",
    ),
    "read_accuracy": (
        "<b>Accuracy</b> is the share of samples in which the classifier recognises the class that was asked for; its floor is the classifier's accuracy on real held-out images. <b>Memorised</b> is the share of samples that are less than a third as far from their nearest training image as from the second nearest; the floor is that share among real held-out images.",
        "<b>Aciertos</b> es la proporción de muestras en las que el clasificador reconoce la clase que se pidió; su suelo son los aciertos del clasificador con imágenes reales reservadas. <b>Memorizadas</b> es la proporción de muestras cuya distancia a la imagen de entrenamiento más cercana es menos de un tercio de la distancia a la segunda; el suelo es esa proporción entre las imágenes reales reservadas.",
    ),
    "read_best": (
        "Each row is the best finished run of its experiment by its primary metric: {metrics}. Runs that failed, were stopped, go on, or were not evaluated are listed at the end and are no results. Every row is one training with one seed.",
        "Cada fila es la mejor ejecución terminada de su experimento según su métrica principal: {metrics}. Las ejecuciones que fallaron, se interrumpieron, siguen en marcha o no se evaluaron aparecen al final y no son resultados. Cada fila es un solo entrenamiento con una sola semilla.",
    ),
    "primary_item": ("{metric} for {experiments}", "{metric} en {experiments}"),
    "primary_other": ("{metric} for any other", "{metric} en los demás"),
    "read_tables": (
        "Scores stand in one table only if protocol, classifier, training data and number of samples are the same.",
        "Dos puntuaciones comparten tabla solo si coinciden el protocolo, el clasificador, los datos de entrenamiento y el número de muestras.",
    ),
    # ---- a data set -------------------------------------------------------------------------------------------
    "section": ("Data set {dataset}", "Conjunto de datos {dataset}"),
    "section_part": (
        "Data set {dataset}, scores {number} of {total}",
        "Conjunto de datos {dataset}, puntuaciones {number} de {total}",
    ),
    "section_other_data": (
        "Data set {dataset}, other training data <code>{fingerprint}</code> ({mode})",
        "Conjunto de datos {dataset}, otros datos de entrenamiento <code>{fingerprint}</code> ({mode})",
    ),
    "why_separate": (
        "The scores of {dataset} are in {total} separate parts, because they cannot be compared: they differ in {differences}.",
        "Las puntuaciones de {dataset} están en {total} partes separadas porque no se pueden comparar: difieren en {differences}.",
    ),
    "differs_eval.data_fingerprint": ("the training data", "los datos de entrenamiento"),
    "differs_eval.extractor": (
        "the classifier that extracts the features",
        "el clasificador que extrae las características",
    ),
    "differs_eval.protocol": ("the evaluation protocol", "el protocolo de evaluación"),
    "differs_eval.num_samples": ("the number of samples", "el número de muestras"),
    "and": ("and", "y"),
    "facts": (
        "{samples} samples per run; evaluation protocol {protocol}; classifier <code>{extractor}</code>; training data <code>{fingerprint}</code>; image size {size}, {mode}.",
        "{samples} muestras por ejecución; protocolo de evaluación {protocol}; clasificador <code>{extractor}</code>; datos de entrenamiento <code>{fingerprint}</code>; tamaño de imagen {size}, {mode}.",
    ),
    "in_words": ("In words", "En palabras"),
    "sampled": ("Samples drawn by: {items}.", "Muestras generadas con: {items}."),
    "sampled_plain": ("{experiment} {scheduler}, {steps} steps", "{experiment} {scheduler}, {steps} pasos"),
    "sampled_guided": (
        "{experiment} {scheduler}, {steps} steps, guidance {guidance}",
        "{experiment} {scheduler}, {steps} pasos, guía {guidance}",
    ),
    "comparison": ("All experiments", "Todos los experimentos"),
    "col_experiment": ("experi&shy;ment", "experi&shy;mento"),
    "col_run": ("run", "ejecución"),
    "col_images": ("images trained", "imágenes vistas"),
    "col_minutes": ("train minutes", "minutos de entrena&shy;miento"),
    "col_parameters": ("param&shy;eters", "pará&shy;metros"),
    "col_fd_pca20": ("FD-PCA20", "FD-PCA20"),
    "col_fd_feature": ("FD feature", "FD caract."),
    "col_fd_pca20_class_mean": ("per-class FD mean", "FD media por clase"),
    "col_kid": ("KID ±&nbsp;s.e.", "KID ±&nbsp;e.e."),
    "col_precision": ("preci&shy;sion", "preci&shy;sión"),
    "col_recall": ("recall", "exhaus&shy;tividad"),
    "col_density": ("density", "densi&shy;dad"),
    "col_coverage": ("cover&shy;age", "cober&shy;tura"),
    "col_accuracy": ("accu&shy;racy", "acier&shy;tos"),
    "col_memorised": ("memo&shy;rised", "memo&shy;rizadas"),
    "col_near_copies": ("near copies", "casi copias"),
    "col_unique_colors": ("colours", "colores"),
    "col_seconds_per_image": ("seconds / image", "segundos / imagen"),
    "floor": ("floor", "suelo"),
    "floor_row": ("floor (real images)", "suelo (imágenes reales)"),
    "note_floor": ("real images: nothing is trained or drawn.", "imágenes reales: no se entrena ni se dibuja nada."),
    "note_unconditional": (
        "does not apply: the model is unconditional, no class was asked for.",
        "no procede: el modelo es incondicional y no se le pide ninguna clase.",
    ),
    "note_unmeasured": ("was not measured by this evaluation.", "esta evaluación no lo midió."),
    # ---- AD3 against AD6 --------------------------------------------------------------------------------------
    "per_class": ("AD3 against AD6, class by class", "AD3 frente a AD6, clase por clase"),
    "per_class_intro": (
        "FD-PCA20 of the samples of each class against the real images of that class, its floor, and how often the classifier recognises the class that was asked for.",
        "FD-PCA20 de las muestras de cada clase frente a las imágenes reales de esa clase, su suelo y con qué frecuencia el clasificador reconoce la clase pedida.",
    ),
    "per_class_absent": (
        "No table: it needs a finished and evaluated run of {missing}.",
        "Sin tabla: hace falta una ejecución terminada y evaluada de {missing}.",
    ),
    "col_class": ("class", "clase"),
    "col_fd_of": ("{experiment} FD-PCA20", "FD-PCA20 de {experiment}"),
    "col_ratio": ("ratio AD6 / AD3", "cociente AD6 / AD3"),
    "col_accuracy_of": ("{experiment} accuracy", "aciertos de {experiment}"),
    "col_accuracy_real": ("accuracy on real images", "aciertos con imágenes reales"),
    "mean": ("mean (accuracy: of all samples)", "media (aciertos: de todas las muestras)"),
    "reported": (
        "<b>Reported by the original study, other data and scale, not comparable with the table:</b> mean per-class FD 153.9 (AD3) → 38.3 (AD6), a ratio of 0.25; AD3 per class 19.1 / 16.9 / 17.4 / 20.8 / 21.9; Exp2 FD-PCA20 21.85.",
        "<b>Según el estudio original, con otros datos y otra escala, no comparable con la tabla:</b> FD media por clase 153.9 (AD3) → 38.3 (AD6), un cociente de 0.25; AD3 por clase 19.1 / 16.9 / 17.4 / 20.8 / 21.9; Exp2, FD-PCA20 21.85.",
    ),
    # ---- ablation ---------------------------------------------------------------------------------------------
    "ablation": ("Ablation: timesteps T and base channels", "Ablación: pasos T y canales base"),
    "ablation_intro": (
        "In each cell the {metric} of its best finished run (floor {floor}) and, in brackets, the accuracy of that run (real images {accuracy}).",
        "En cada celda, la {metric} de su mejor ejecución terminada (suelo {floor}) y, entre paréntesis, los aciertos de esa ejecución (imágenes reales {accuracy}).",
    ),
    "ablation_corner": ("T", "T"),
    "ablation_column": ("{channels} channels", "{channels} canales"),
    "note_cell_run": (
        "the run <code>{run}</code> is no result: {why}.",
        "la ejecución <code>{run}</code> no es un resultado: {why}.",
    ),
    "note_cell_absent": ("was not trained.", "no se entrenó."),
    "col_timesteps": ("T", "T"),
    "col_channels": ("base channels", "canales base"),
    "plot_channels": ("base channels", "canales base"),
    "plot_timesteps": ("timesteps T", "pasos T"),
    "plot_heat": ("{metric} (floor {floor})", "{metric} (suelo {floor})"),
    "plot_heat_accuracy": ("accuracy (real images {floor})", "aciertos (imágenes reales {floor})"),
    "alt_heat": ("Heat map of the ablation", "Mapa de calor de la ablación"),
    "caption_heat": (
        "Left: distance, dark is near the floor. Right: conditional accuracy, dark is high. Hatched: no result.",
        "Izquierda: distancia; oscuro es cerca del suelo. Derecha: aciertos condicionales; oscuro es alto. Rayado: sin resultado.",
    ),
    # ---- curves -----------------------------------------------------------------------------------------------
    "curves": ("Loss curves", "Curvas de pérdida"),
    "curves_intro": (
        "Training loss (smoothed) and validation loss (dashed). Losses of different noise schedules, or of latents and of pixels, are errors of different things: they show whether a training has settled, not which model is better.",
        "Pérdida de entrenamiento (suavizada) y de validación (discontinua). Las pérdidas de calendarios de ruido distintos, o de latentes y de píxeles, son errores de cosas distintas: muestran si un entrenamiento se ha estabilizado, no qué modelo es mejor.",
    ),
    "plot_images": ("images seen (thousands)", "imágenes vistas (miles)"),
    "plot_loss": ("loss", "pérdida"),
    "plot_validation": ("validation", "validación"),
    "alt_curves": ("Loss curves of the best runs", "Curvas de pérdida de las mejores ejecuciones"),
    # ---- sweeps -----------------------------------------------------------------------------------------------
    "guidance": (
        "Guidance sweep: <code>{run}</code> ({experiment})",
        "Barrido de guía: <code>{run}</code> ({experiment})",
    ),
    "schedulers": (
        "Steps against quality, by scheduler: <code>{run}</code> ({experiment})",
        "Pasos frente a calidad, por planificador: <code>{run}</code> ({experiment})",
    ),
    "sweep_facts": (
        "{samples} samples per row, so these rows compare with one another and not with the tables above.",
        "{samples} muestras por fila: estas filas se comparan entre sí y no con las tablas de arriba.",
    ),
    "sweep_same_facts": (
        "{samples} samples per row, as in the tables above.",
        "{samples} muestras por fila, como en las tablas de arriba.",
    ),
    "sweep_other_extractor": (
        "Made with another classifier (<code>{extractor}</code>): these rows compare only with one another.",
        "Hecho con otro clasificador (<code>{extractor}</code>): estas filas solo se comparan entre sí.",
    ),
    "col_guidance_scale": ("guidance scale", "escala de guía"),
    "col_scheduler": ("scheduler", "planificador"),
    "col_steps": ("steps", "pasos"),
    "plot_guidance": ("guidance scale", "escala de guía"),
    "plot_steps": ("inference steps", "pasos de inferencia"),
    "plot_steps_n": ("{scheduler}, {steps} steps", "{scheduler}, {steps} pasos"),
    "alt_guidance": ("Quality over the guidance scale", "Calidad según la escala de guía"),
    "alt_schedulers": ("Quality over the number of steps", "Calidad según el número de pasos"),
    # ---- pictures ---------------------------------------------------------------------------------------------
    "grids": ("Samples side by side", "Muestras lado a lado"),
    "grids_same": (
        "The first samples of each run, not the best; the noise of all of them comes from the same seed ({seed}).",
        "Las primeras muestras de cada ejecución, no las mejores; el ruido de todas sale de la misma semilla ({seed}).",
    ),
    "grids_different": (
        "The first samples of each run, not the best; the seeds of the noise are not the same ({seeds}).",
        "Las primeras muestras de cada ejecución, no las mejores; las semillas del ruido no coinciden ({seeds}).",
    ),
    "closest": ("Closest pairs", "Pares más cercanos"),
    "closest_intro": (
        "The samples that lie suspiciously close to one training image, each beside that image. Above each pair: the ratio of the distances to the nearest and to the second nearest training image (below 1/3 counts as memorised), then the first distance as a share of the value range.",
        "Las muestras sospechosamente cercanas a una imagen de entrenamiento, cada una junto a esa imagen. Sobre cada par: el cociente de las distancias a la imagen de entrenamiento más cercana y a la segunda (por debajo de 1/3 cuenta como memorizada) y después la primera distancia como fracción del rango de valores.",
    ),
    "histograms": ("Colours", "Colores"),
    "histograms_intro": (
        "Marginal RGB histograms of samples and of real held-out images.",
        "Histogramas RGB marginales de las muestras y de imágenes reales reservadas.",
    ),
    "confusions": ("Class asked for, class recognised", "Clase pedida, clase reconocida"),
    "confusions_intro": (
        "Confusion matrices as shares of each row.",
        "Matrices de confusión como proporciones de cada fila.",
    ),
    "alt_grid": ("Samples of {run}", "Muestras de {run}"),
    "alt_closest": ("Closest pairs of {run}", "Pares más cercanos de {run}"),
    "alt_histograms": ("RGB histograms", "Histogramas RGB"),
    "alt_confusions": ("Confusion matrices", "Matrices de confusión"),
    "caption_run": ("{experiment}, <code>{run}</code>", "{experiment}, <code>{run}</code>"),
    "plot_red": ("red", "rojo"),
    "plot_green": ("green", "verde"),
    "plot_blue": ("blue", "azul"),
    "plot_real": ("real", "reales"),
    "plot_samples": ("samples", "muestras"),
    "plot_share": ("share of pixels", "proporción de píxeles"),
    "plot_value": ("value", "valor"),
    "plot_asked": ("asked for", "pedida"),
    "plot_recognised": ("recognised", "reconocida"),
    "plot_floor": ("floor", "suelo"),
    # ---- metrics in plots and sentences -----------------------------------------------------------------------
    "metric_fd_pca20": ("FD-PCA20", "FD-PCA20"),
    "metric_fd_pca20_class_mean": ("mean per-class FD-PCA20", "FD-PCA20 media por clase"),
    "metric_fd_feature": ("FD feature", "FD de características"),
    "metric_accuracy": ("accuracy", "aciertos"),
    "metric_coverage": ("coverage", "cobertura"),
    "metric_seconds_per_image": ("seconds per image", "segundos por imagen"),
    # ---- verdict ----------------------------------------------------------------------------------------------
    "verdict_only": (
        "Only {experiment} has a result here ({metric} {value}, floor {floor}): there is nothing to compare it with.",
        "Aquí solo {experiment} tiene un resultado ({metric} {value}, suelo {floor}): no hay con qué compararlo.",
    ),
    "verdict_best": (
        "By {metric}, <b>{experiment}</b> is best: {value}, {times} times the floor of {floor}; next is {second} with {second_value}.",
        "Según {metric}, lo mejor es <b>{experiment}</b>: {value}, {times} veces el suelo de {floor}; le sigue {second} con {second_value}.",
    ),
    "verdict_overlap": (
        " Their 95 % intervals overlap, so this order is not certain.",
        " Sus intervalos del 95 % se solapan, así que este orden no es seguro.",
    ),
    "verdict_ad6": (
        "AD6 lowers AD3's mean per-class FD-PCA20 from {ad3} to {ad6}, a ratio of <b>{ratio}</b>, against a floor of {floor}.",
        "AD6 reduce la FD-PCA20 media por clase de AD3 de {ad3} a {ad6}, un cociente de <b>{ratio}</b>, frente a un suelo de {floor}.",
    ),
    "verdict_ad6_worse": (
        "AD6 does not lower AD3's mean per-class FD-PCA20: {ad3} became {ad6}, a ratio of <b>{ratio}</b>, against a floor of {floor}.",
        "AD6 no reduce la FD-PCA20 media por clase de AD3: {ad3} pasó a {ad6}, un cociente de <b>{ratio}</b>, frente a un suelo de {floor}.",
    ),
    "verdict_budget_equal": (" Both were trained on {images} images.", " Ambos se entrenaron con {images} imágenes."),
    "verdict_budget_unequal": (
        " The budgets were not equal: AD3 saw {ad3_images} images, AD6 {ad6_images}.",
        " Los presupuestos no fueron iguales: AD3 vio {ad3_images} imágenes y AD6 {ad6_images}.",
    ),
    "verdict_accuracy": (
        "{experiment} draws the class that was asked for in {accuracy} of its samples: <b>{share} %</b> of the classifier's accuracy on real images ({floor}).",
        "{experiment} dibuja la clase pedida en {accuracy} de sus muestras: el <b>{share} %</b> de los aciertos del clasificador con imágenes reales ({floor}).",
    ),
    "verdict_ablation": (
        "In the ablation, T = {timesteps} with {channels} base channels is best ({metric} {value}), T = {worst_timesteps} with {worst_channels} worst ({worst_value}), of {cells} cells with a result.",
        "En la ablación, lo mejor es T = {timesteps} con {channels} canales base ({metric} {value}) y lo peor T = {worst_timesteps} con {worst_channels} ({worst_value}), de {cells} celdas con resultado.",
    ),
    "verdict_no_copies": (
        "Nothing here copies more than real held-out images seem to (memorised {memorised}, near copies {near_copies} at the floor; a difference counts beyond two standard errors).",
        "Nada aquí copia más de lo que parecen hacerlo las imágenes reales reservadas (memorizadas {memorised}, casi copias {near_copies} en el suelo; una diferencia cuenta a partir de dos errores estándar).",
    ),
    "verdict_copies": (
        "<b>{experiment} copies its training images</b> beyond the floor: {details}.",
        "<b>{experiment} copia sus imágenes de entrenamiento</b> por encima del suelo: {details}.",
    ),
    "verdict_copies_memorised": ("memorised {value} (floor {floor})", "memorizadas {value} (suelo {floor})"),
    "verdict_copies_near_copies": ("near copies {value} (floor {floor})", "casi copias {value} (suelo {floor})"),
    # ---- end of the page --------------------------------------------------------------------------------------
    "cost": ("Training cost", "Coste de entrenamiento"),
    "cost_intro": (
        "All runs of each experiment, results or not. Minutes of runs that did not finish are clock time up to their end.",
        "Todas las ejecuciones de cada experimento, sean resultados o no. Los minutos de las que no terminaron son tiempo de reloj hasta su final.",
    ),
    "col_finished": ("finished runs", "terminadas"),
    "col_images_all": ("images trained", "imágenes vistas"),
    "col_minutes_all": ("train minutes", "minutos de entrenamiento"),
    "col_other_runs": ("other runs", "otras ejecuciones"),
    "col_other_minutes": ("minutes of those", "minutos de esas"),
    "total": ("total", "total"),
    "incomplete": ("Incomplete evidence", "Pruebas incompletas"),
    "incomplete_intro": (
        "These runs are no results, and no table above uses their figures.",
        "Estas ejecuciones no son resultados y ninguna tabla de arriba usa sus cifras.",
    ),
    "incomplete_none": (
        "None: every run is finished, and evaluated or analysed.",
        "Ninguna: todas las ejecuciones están terminadas, y evaluadas o analizadas.",
    ),
    "incomplete_run": ("<code>{run}</code> ({dataset}): {why}", "<code>{run}</code> ({dataset}): {why}"),
    "status_failed": ("FAILED, ended by an error", "FAILED, terminó con un error"),
    "status_killed": ("KILLED, stopped before its end", "KILLED, se detuvo antes de su final"),
    "status_unfinished": ("unfinished, still marked as running", "sin terminar, sigue marcada como en marcha"),
    "status_not_evaluated": ("finished, but without an evaluation", "terminada, pero sin evaluación"),
    "status_without_facts": (
        "evaluated, but without saying by which protocol, classifier, data and number of samples",
        "evaluada, pero sin indicar el protocolo, el clasificador, los datos y el número de muestras",
    ),
    "status_without_primary": (
        "evaluated, but its primary metric is missing or not finite",
        "evaluada, pero su métrica principal falta o no es finita",
    ),
    "status_not_analysed": ("finished, but without an analysis", "terminada, pero sin análisis"),
    "status_analysis_without_facts": (
        "analysed, but without saying on which data, at which image size and in which mode",
        "analizada, pero sin indicar con qué datos, a qué tamaño de imagen y en qué modo",
    ),
    "status_tuning_without_facts": (
        "evaluated, but without saying how many reward queries a step takes",
        "evaluada, pero sin indicar cuántas consultas de recompensa hace en cada paso",
    ),
    "missing_files": ("Files that are missing", "Archivos que faltan"),
    "missing_file": (
        "<code>{run}</code> ({dataset}): {files} missing or unreadable, so the run is left out of the pictures made from it",
        "<code>{run}</code> ({dataset}): falta o no se puede leer {files}, así que la ejecución no aparece en las figuras que salen de ahí",
    ),
    **LATENT_TEXTS,
    **TUNING_TEXTS,
}


class Texts:
    """The texts in one language: ``texts("floor")``, ``texts("built", date=…, store=…)``.

    Args:
        lang: one of `LANGUAGES`.

    Raises:
        SpriteError: a language there is none of.
    """

    def __init__(self, lang: str):
        if lang not in LANGUAGES:
            raise SpriteError(f"--lang is {lang!r}, but there are only {' and '.join(LANGUAGES)}: change --lang.")
        self.lang = lang
        self._column = LANGUAGES.index(lang)

    def __call__(self, key: str, /, **values: object) -> str:
        return TEXTS[key][self._column].format(**values)

    def listed(self, items: list[str]) -> str:
        """ "a, b and c"."""
        *head, last = items
        return f"{', '.join(head)} {self('and')} {last}" if head else last
