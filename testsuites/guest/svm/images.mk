# SVM: VMRUN, intercepts, events, nested paging
svm_image = $(eval $(call guest_image,svm-$(1),$(call guest_sources,svm,$(1).c common.c),64))
$(call svm_image,vmrun)
$(call svm_image,intercepts)
$(call svm_image,events)
$(call svm_image,npt)
