"""The paper's evaluation word for word, slowly: loops over images, captions and classes.

Written from the protocols alone (recipe.md, formats.md); it shares no code with what it checks. Where the protocol says
nothing, ties count against the model, and equal texts are one text.
"""

from __future__ import annotations

import math


def dot(first, second):
    return sum(float(a) * float(b) for a, b in zip(first, second, strict=True))


def wrong_before(scores, right):
    """How many items that are not right score at least as much as the best right one."""
    best = max(scores[i] for i in right)
    return sum(1 for i, score in enumerate(scores) if i not in right and score >= best)


def image_to_text(images, captions, k):
    """Recall at k of images; captions are (image, text, feature), the gallery is all of them, one place each."""
    texts_of = {}
    for image, text, _ in captions:
        texts_of.setdefault(image, set()).add(text)
    hits = []
    for image in sorted(texts_of):
        scores = [dot(images[image], feature) for _, _, feature in captions]
        right = {i for i, (_, text, _) in enumerate(captions) if text in texts_of[image]}
        hits.append(wrong_before(scores, right) < k)
    return hits


def text_to_image(images, captions, k):
    """Recall at k of captions, among all images; an image with the same text is right too."""
    hits = []
    for _, text, feature in captions:
        scores = [dot(feature, image) for image in images]
        right = {image for image, other, _ in captions if other == text}
        hits.append(wrong_before(scores, right) < k)
    return hits


def unit(vector):
    length = math.sqrt(dot(vector, vector))
    return [value / length if length else 0.0 for value in vector]


def ensemble(prompts):
    """One class from the features of its prompts: normalise, mean, normalise."""
    rows = [unit(prompt) for prompt in prompts]
    return unit([sum(column) / len(rows) for column in zip(*rows, strict=True)])


def top_k(image, classes, right, k):
    """Whether a right class is among the k nearest; `right` holds one or more."""
    return wrong_before([dot(image, one) for one in classes], set(right)) < k


def reciprocal_rank(image, classes, label):
    """One over the place of the own class, when every other class that scores as much stands before it."""
    return 1 / (1 + wrong_before([dot(image, one) for one in classes], {label}))


def cross_entropy(logits, label):
    return math.log(sum(math.exp(value) for value in logits)) - logits[label]


def held_out_loss(images, captions, labels, scale):
    """Mean loss of batches; batch k has drawing k of each concept, which starts again where it has no more."""
    drawings = {}
    for image, label in zip(images, labels, strict=True):
        drawings.setdefault(int(label), []).append(image)
    concepts = sorted(drawings)
    losses = []
    for k in range(max(len(of_concept) for of_concept in drawings.values())):
        batch = [drawings[concept][k % len(drawings[concept])] for concept in concepts]
        for i in range(len(concepts)):
            by_image = cross_entropy([scale * dot(batch[i], captions[concept]) for concept in concepts], i)
            by_text = cross_entropy([scale * dot(image, captions[concepts[i]]) for image in batch], i)
            losses.append((by_image + by_text) / 2)
    return sum(losses) / len(losses)


def frequent_and_rare(pairs, concepts):
    """The third of `concepts` with the most pairs and the third with the fewest; at equal pairs lower numbers lead."""
    ordered = sorted(set(concepts), key=lambda concept: (-pairs[concept], concept))
    third = max(1, len(ordered) // 3)
    return set(ordered[:third]), set(ordered[len(ordered) - third :])


def choose(image, options, label):
    scores = [dot(image, option) for option in options]
    return all(scores[label] > score for i, score in enumerate(scores) if i != label)


def ridge(rows, labels, classes, penalty, bias):
    """Weights [d + 1][classes] by Gauss elimination of the normal equations; also mean and spread of the features."""
    d, n = len(rows[0]), len(rows)
    mean = [sum(row[j] for row in rows) / n for j in range(d)]
    spread = [math.sqrt(sum((row[j] - mean[j]) ** 2 for row in rows) / n) + 1e-5 for j in range(d)]
    inputs = [[*((row[j] - mean[j]) / spread[j] for j in range(d)), bias] for row in rows]
    targets = [[1.0 if c == label else -1.0 for c in range(classes)] for label in labels]
    system = [
        [sum(row[i] * row[j] for row in inputs) + (penalty if i == j else 0.0) for j in range(d + 1)]
        + [sum(row[i] * target[c] for row, target in zip(inputs, targets, strict=True)) for c in range(classes)]
        for i in range(d + 1)
    ]
    for i in range(d + 1):
        pivot = max(range(i, d + 1), key=lambda row: abs(system[row][i]))
        system[i], system[pivot] = system[pivot], system[i]
        system[i] = [value / system[i][i] for value in system[i]]
        for row in range(d + 1):
            if row != i:
                system[row] = [a - system[row][i] * b for a, b in zip(system[row], system[i], strict=True)]
    return [row[d + 1 :] for row in system], mean, spread


def uniformity(rows):
    distances = [
        sum((a - b) ** 2 for a, b in zip(rows[i], rows[j], strict=True))
        for i in range(len(rows))
        for j in range(len(rows))
        if i != j
    ]
    return math.log(sum(math.exp(-2 * distance) for distance in distances) / len(distances))
