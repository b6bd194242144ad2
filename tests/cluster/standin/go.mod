module hopkeeper.lab/standin

go 1.25
