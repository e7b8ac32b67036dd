"""Long proofs with real processes, in parts that can be resumed: `python -m tests.prove` (or `make prove`).

A proof is a module that ends with `PROOF = Proof(…)` and has a line in `proof.PROOFS`.
"""
