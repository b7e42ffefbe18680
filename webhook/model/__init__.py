"""The nouns: review, workload, pod, image reference, finding, decision. They import msgspec and nothing of ours."""
