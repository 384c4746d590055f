"""What the results page says of autoencoders and of diffusion in their latents, in English and Spanish."""

from __future__ import annotations

# As `texts.TEXTS`, of which these are a part.
LATENT_TEXTS: dict[str, tuple[str, str]] = {
    # ---- autoencoders -----------------------------------------------------------------------------------------
    "autoencoders": ("Exp1: autoencoders", "Exp1: autocodificadores"),
    "autoencoders_facts": (
        "Autoencoders only; training data <code>{fingerprint}</code>; image size {size}, {mode}.",
        "Solo autocodificadores; datos de entrenamiento <code>{fingerprint}</code>; tamaño de imagen {size}, {mode}.",
    ),
    "autoencoders_intro": (
        "All analysed autoencoders: AE, one trained to remove noise (DAE), variational (VAE) and with a codebook (VQ). Errors are those of {images} real held-out images, values in [0, 1]; PSNR is that of their mean squared error, in dB. Higher is better, except for MSE; the best value of a column is in bold. A larger latent reconstructs more easily: compare rows of about as many numbers or bits.",
        "Todos los autocodificadores analizados: AE, entrenado para quitar ruido (DAE), variacional (VAE) y con libro de códigos (VQ). Los errores son los de {images} imágenes reales reservadas, valores en [0, 1]; el PSNR es el de su error cuadrático medio, en dB. Más es mejor, salvo en el MSE; el mejor valor de cada columna va en negrita. Un latente mayor reconstruye con más facilidad: compárense filas con parecida cantidad de números o de bits.",
    ),
    "autoencoders_denoising": (
        "Denoising: PSNR of held-out images with noise on them, and of what the autoencoder makes of those ({noise}).",
        "Eliminación de ruido: PSNR de imágenes reservadas con ruido y de lo que el autocodificador hace con ellas ({noise}).",
    ),
    "noise_gaussian": ("Gaussian noise, &sigma; {strength}", "ruido gaussiano, &sigma; {strength}"),
    "noise_masking": ("a share of {strength} of the pixels masked", "una proporción de {strength} de píxeles tapados"),
    "noise_salt_and_pepper": (
        "salt and pepper on a share of {strength} of the pixels",
        "sal y pimienta en una proporción de {strength} de los píxeles",
    ),
    "noise_other": (
        "noise <code>{noise}</code>, strength {strength}",
        "ruido <code>{noise}</code>, fuerza {strength}",
    ),
    "autoencoders_reported": (
        "<b>Reported by the original study, other data, mostly duplicates, not comparable with the table:</b> validation loss 0.00556, MSE 0.0044, PSNR 24.83 dB, SSIM 0.949, with a latent of 64 numbers and noise of &sigma; 0.15. That PSNR is a mean over images: the PSNR of that MSE is 23.57&nbsp;dB.",
        "<b>Según el estudio original, con otros datos, en su mayoría duplicados, no comparable con la tabla:</b> pérdida de validación 0.00556, MSE 0.0044, PSNR 24.83 dB, SSIM 0.949, con un latente de 64 números y ruido de &sigma; 0.15. Ese PSNR es una media de imágenes: el PSNR de ese MSE es 23.57&nbsp;dB.",
    ),
    "col_kind": ("kind", "tipo"),
    "col_latent_floats": ("latent numbers", "números del latente"),
    "col_latent_bits": ("latent bits", "bits del latente"),
    "col_mse": ("MSE", "MSE"),
    "col_psnr": ("PSNR", "PSNR"),
    "col_psnr_image_mean": ("mean of the images' PSNR", "media del PSNR de las imágenes"),
    "col_ssim": ("SSIM", "SSIM"),
    "col_train_psnr": ("PSNR, training images", "PSNR, imágenes de entrena&shy;miento"),
    "col_psnr_8bit": ("PSNR at 8&nbsp;bits per number", "PSNR a 8&nbsp;bits por número"),
    "col_denoising": ("denoising: PSNR in →&nbsp;out (gain)", "sin ruido: PSNR entrada →&nbsp;salida (ganancia)"),
    "col_silhouette": ("silhouette, latents / pixels", "silueta, latentes / píxeles"),
    "col_codebook": ("codes used, held-out (training)", "códigos usados, reservadas (entrena&shy;miento)"),
    "note_codes": (
        "does not apply: the latent of a VQ is made of whole codes.",
        "no procede: el latente de un VQ se compone de códigos enteros.",
    ),
    "note_no_codebook": ("does not apply: there is no codebook.", "no procede: no hay libro de códigos."),
    "note_not_analysed": ("was not measured by this analysis.", "este análisis no lo midió."),
    "reconstructions": ("Reconstructions", "Reconstrucciones"),
    "reconstructions_intro": (
        "Real held-out images and, below them, what each autoencoder makes of them; then the same images with noise on them and what it makes of those.",
        "Imágenes reales reservadas y, debajo, lo que cada autocodificador hace con ellas; después, las mismas imágenes con ruido y lo que hace con esas.",
    ),
    "latents": ("Latents", "Latentes"),
    "latents_intro": (
        "Held-out images as points, coloured by class: latents and pixels, by PCA and by t-SNE.",
        "Imágenes reservadas como puntos, coloreadas por clase: latentes y píxeles, con PCA y con t-SNE.",
    ),
    "interpolation": ("Interpolation", "Interpolación"),
    "interpolation_intro": (
        "Straight lines in latent space between pairs of held-out images, a line per row.",
        "Líneas rectas en el espacio latente entre pares de imágenes reservadas, una por fila.",
    ),
    "codebook": ("Codebook use", "Uso del libro de códigos"),
    "codebook_intro": (
        "How often each code is used, the most frequent first.",
        "Con qué frecuencia se usa cada código, los más frecuentes primero.",
    ),
    "alt_reconstructions": ("Reconstructions by {run}", "Reconstrucciones de {run}"),
    "alt_latents": ("Latents of {run}", "Latentes de {run}"),
    "alt_interpolation": ("Interpolation by {run}", "Interpolación de {run}"),
    "alt_codebook": ("Codebook use of {run}", "Uso del libro de códigos de {run}"),
    "caption_autoencoder": (
        "{kind}, {floats} latent numbers, <code>{run}</code>",
        "{kind}, {floats} números, <code>{run}</code>",
    ),
    # ---- latent space or pixels -------------------------------------------------------------------------------
    "note_autoencoder_minutes": (
        "diffusion + its autoencoder, which is trained first.",
        "difusión + su autocodificador, que se entrena antes.",
    ),
    "latent_space": ("Latent space or pixels?", "¿Espacio latente o píxeles?"),
    "latent_space_intro": (
        "The hypothesis of Exp4: diffusion in latent space is cheaper at equal quality. Like is compared with like, the best latent model with the best one of pixels: class-conditional ones by mean per-class FD-PCA20, unconditional ones by FD-PCA20. Cheaper means less training time, the autoencoder's included, and less time per image; quality is equal if the distance is at most {equal} times that of pixels. Times are clock times of the machines that the runs had.",
        "La hipótesis de Exp4: la difusión en el espacio latente es más barata a igual calidad. Se compara lo comparable, el mejor modelo latente con el mejor de píxeles: los condicionales por FD-PCA20 media por clase, los incondicionales por FD-PCA20. Más barato significa menos tiempo de entrenamiento, incluido el del autocodificador, y menos tiempo por imagen; la calidad es igual si la distancia es como mucho {equal} veces la de los píxeles. Los tiempos son de reloj, en las máquinas que tuvieron las ejecuciones.",
    ),
    "col_space": ("diffuses", "difunde"),
    "space_pixels": ("pixels", "píxeles"),
    "space_latents": ("latents", "latentes"),
    "space_latents_of": ("latents of {autoencoder}", "latentes de {autoencoder}"),
    "space_psnr": ("{kind}, {psnr}&nbsp;dB", "{kind}, {psnr}&nbsp;dB"),
    "col_numbers": ("numbers per image", "números por imagen"),
    "numbers_of": ("{latent} of {pixels}", "{latent} de {pixels}"),
    "col_minutes_whole": (
        "train minutes, autoencoder included",
        "minutos de entrena&shy;miento, con autocodi&shy;ficador",
    ),
    "note_no_autoencoder_minutes": (
        "unknown: the run does not say how long its autoencoder was trained.",
        "se desconoce: la ejecución no dice cuánto se entrenó su autocodificador.",
    ),
    "note_unrecorded": ("the run does not say.", "la ejecución no lo dice."),
    "latent_contest": (
        "<b>{latent} against {pixel}</b> ({kind}): {train} times the training time, autoencoder included, and {draw} times the time per image, at {quality} times the {metric}: {conclusion}.",
        "<b>{latent} frente a {pixel}</b> ({kind}): {train} veces el tiempo de entrenamiento, incluido el autocodificador, y {draw} veces el tiempo por imagen, con {quality} veces la {metric}: {conclusion}.",
    ),
    "latent_contest_untimed": (
        "<b>{latent} against {pixel}</b> ({kind}): {quality} times the {metric}; no verdict, because not every time is known.",
        "<b>{latent} frente a {pixel}</b> ({kind}): {quality} veces la {metric}; sin veredicto, porque no se conocen todos los tiempos.",
    ),
    "kind_conditional": ("class-conditional", "condicionales por clase"),
    "kind_unconditional": ("unconditional", "incondicionales"),
    "latent_cheaper_equal": (
        "cheaper at equal quality, <b>the hypothesis holds here</b>",
        "más barato a igual calidad, <b>la hipótesis se cumple aquí</b>",
    ),
    "latent_cheaper_worse": (
        "cheaper, but not at equal quality; <b>the hypothesis is not confirmed here</b>",
        "más barato, pero no a igual calidad; <b>la hipótesis no se confirma aquí</b>",
    ),
    "latent_train_only_equal": (
        "at equal quality cheaper to train, but not to draw from; <b>the hypothesis holds here for training only</b>",
        "a igual calidad, más barato de entrenar, pero no de muestrear; <b>la hipótesis solo se cumple aquí para el entrenamiento</b>",
    ),
    "latent_train_only_worse": (
        "cheaper to train, but not to draw from, and not at equal quality; <b>the hypothesis fails here</b>",
        "más barato de entrenar, pero no de muestrear, y no a igual calidad; <b>la hipótesis falla aquí</b>",
    ),
    "latent_draw_only_equal": (
        "at equal quality cheaper to draw from, but not to train; <b>the hypothesis holds here for sampling only</b>",
        "a igual calidad, más barato de muestrear, pero no de entrenar; <b>la hipótesis solo se cumple aquí para el muestreo</b>",
    ),
    "latent_draw_only_worse": (
        "cheaper to draw from, but not to train, and not at equal quality; <b>the hypothesis fails here</b>",
        "más barato de muestrear, pero no de entrenar, y no a igual calidad; <b>la hipótesis falla aquí</b>",
    ),
    "latent_dearer_equal": (
        "of equal quality, but not cheaper to train or to draw from; <b>the hypothesis fails here</b>",
        "de igual calidad, pero no más barato de entrenar ni de muestrear; <b>la hipótesis falla aquí</b>",
    ),
    "latent_dearer_worse": (
        "neither cheaper to train or to draw from nor of equal quality; <b>the hypothesis fails here</b>",
        "ni más barato de entrenar o de muestrear ni de igual calidad; <b>la hipótesis falla aquí</b>",
    ),
    "latent_no_pair": (
        "No verdict: the latent models here are all {latent}, the pixel models {pixel}.",
        "Sin veredicto: aquí los modelos latentes son todos {latent}, y los de píxeles {pixel}.",
    ),
}
